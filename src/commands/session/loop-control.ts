import { resolveResource } from "../../control/resolve-resource.js";
import type { LoopControl } from "../../engine/loop-control.js";
import type { Store } from "../../engine/store.js";

/** What a person may ask of this process's loop: each becomes an event. `onStop` ends it. */
export function localControl(store: Store, { onStop }: { readonly onStop: () => void }): LoopControl {
  return {
    trigger(name) {
      if (name === undefined) {
        store.dispatch({ type: "trigger.requested" });
        return;
      }
      const state = store.getSnapshot();
      const { kind, subject } = resolveResource(state, name, ["image", "deploy", "workload"]);
      if (kind === "image") store.dispatch({ type: "trigger.requested", image: subject });
      else if (kind === "deploy") store.dispatch({ type: "trigger.requested", deploy: subject });
      else {
        const { images = [], deploy } = state.workloads[subject] ?? {};
        for (const image of images) store.dispatch({ type: "trigger.requested", image });
        // One that has none of the project's images can only be applied again.
        if (images.length === 0 && deploy !== undefined)
          store.dispatch({ type: "trigger.requested", deploy });
      }
    },
    restart(workload) {
      store.dispatch({ type: "restart.requested", workload });
    },
    pause() {
      store.dispatch({ type: "loop.paused" });
    },
    resume() {
      store.dispatch({ type: "loop.resumed" });
    },
    setSync(on, image) {
      store.dispatch({ type: "sync.switched", on, ...(image === undefined ? {} : { image }) });
    },
    focus(images) {
      store.dispatch({ type: "focus.changed", images });
    },
    stop: onStop,
  };
}
