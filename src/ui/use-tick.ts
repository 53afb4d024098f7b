import { useEffect, useReducer } from "react";

/** Renders again every `ms`, for what shows how long ago something was. */
export function useTick(ms: number): void {
  const [, tick] = useReducer((ticks: number) => ticks + 1, 0);
  useEffect(() => {
    const timer = setInterval(tick, ms);
    return () => {
      clearInterval(timer);
    };
  }, [ms]);
}
