import { useEffect, useState } from "react";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The terminal's size, followed as it changes; 80×24 where it is not known. */
export function useSize(stdout: NodeJS.WriteStream, onResize: () => void): Size {
  const [size, setSize] = useState(() => sizeOf(stdout));
  useEffect(() => {
    const changed = (): void => {
      onResize();
      setSize(sizeOf(stdout));
    };
    stdout.on("resize", changed);
    // It may have changed between the first render and this.
    setSize((before) => {
      const now = sizeOf(stdout);
      return now.columns === before.columns && now.rows === before.rows ? before : now;
    });
    return () => {
      stdout.off("resize", changed);
    };
  }, [stdout, onResize]);
  return size;
}

function sizeOf(stdout: { readonly columns?: number; readonly rows?: number }): Size {
  // A terminal that does not know its size says 0.
  return { columns: stdout.columns || 80, rows: stdout.rows || 24 };
}
