const factors: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** Kubernetes' quantity as a number: `128Mi`, `500m`, `1e3`. Undefined for what is none. */
function quantity(value: string | number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$/.exec(String(value).trim());
  const factor = factors[match?.[2] ?? ""];
  const number = Number(match?.[1]);
  return match === null || factor === undefined || Number.isNaN(number) ? undefined : number * factor;
}

/** Whole bytes. */
export function bytesOf(value: string | number | undefined): number | undefined {
  const found = quantity(value);
  return found === undefined ? undefined : Math.ceil(found);
}

/** Whole thousandths. */
export function milliOf(value: string | number | undefined): number | undefined {
  const found = quantity(value);
  // 70m as a number of processors is a little more.
  return found === undefined ? undefined : Math.ceil(Number((found * 1000).toFixed(6)));
}

/** Processors, `500m` being a half. */
export const cpusOf = quantity;
