import { deployPlace } from "./choose-deploys.js";
import { chooseContext } from "./choose-context.js";
import { chooseForwards, chooseNamespace } from "./choose-forwards.js";
import type { DeployChoice, DeployFacts, DeploySource, Findings, ImagePair, InitPlan } from "./model.js";
import { inOrder, type Pairing } from "./pair-images.js";

/** A deploy that was chosen, with those it was chosen from and what its objects say. */
export interface Chosen {
  readonly source: DeploySource;
  readonly choice: DeployChoice;
  readonly facts: DeployFacts;
}

/** What devloop.yaml says. `answers` are pairs that a person named. */
export function planInit(
  name: string,
  found: Findings,
  {
    chosen,
    pairing,
    answers,
    leftOut,
  }: {
    readonly chosen: readonly Chosen[];
    readonly pairing: Pairing;
    readonly answers: readonly ImagePair[];
    readonly leftOut: readonly string[];
  },
): InitPlan {
  const facts = chosen.map((each) => each.facts);
  const namespace = chooseNamespace(facts);
  const images = facts.flatMap((each) => each.images);
  const pairs = inOrder([...pairing.pairs, ...answers], images);
  return {
    name,
    namespace,
    images: pairs.map((pair) => ({
      ...pair,
      context: pair.context ?? chooseContext(pair.dockerfile, found.files),
    })),
    pulled: [...pairing.published, ...pairing.openImages].filter(
      (image) => !answers.some((answer) => answer.image === image),
    ),
    unused: pairing.openDockerfiles
      .filter((file) => !answers.some(({ dockerfile }) => dockerfile === file))
      .map(({ path }) => path),
    deploys: chosen.map(({ source, choice, facts: { problem } }) => ({
      source,
      others: choice.options.filter((option) => deployPlace(option) !== deployPlace(source)),
      ...(problem === undefined ? {} : { problem }),
    })),
    leftOut,
    forwards: chooseForwards(facts, namespace, found.skaffold?.forwards),
    unread: found.unread,
    ...(found.skaffold === undefined ? {} : { skaffold: found.skaffold }),
  };
}
