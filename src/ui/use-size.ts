import { useEffect, useState } from "react";
import { useStdout } from "ink";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The terminal's size, followed as it changes; 80×24 where it is not known. */
export function useSize(): Size {
  const { stdout } = useStdout();
  const [size, setSize] = useState(() => sizeOf(stdout));
  useEffect(() => {
    const onResize = (): void => {
      setSize(sizeOf(stdout));
    };
    // It may have changed between the first render and this.
    onResize();
    stdout.on("resize", onResize);
    return () => {
      stdout.off("resize", onResize);
    };
  }, [stdout]);
  return size;
}

function sizeOf(stdout: { readonly columns?: number; readonly rows?: number }): Size {
  return { columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 };
}
