const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Kubernetes' quantity as a number: `128Mi`, `500m`, `1e3`. Undefined for what is none. */
function quantity(value: string | number | undefined): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([a-zA-Z]*))$/.exec(String(value));
  const factor = factors[match?.[3] ?? ""];
  return match === null || factor === undefined ? undefined : Number(`${match[1]}${match[2] ?? ""}`) * factor;
}

/** Whether it is an amount as Kubernetes writes them. */
export function isQuantity(value: string | number): boolean {
  return quantity(value) !== undefined;
}

/** Whole bytes. */
export function bytesOf(value: string | number | undefined): number | undefined {
  const found = quantity(value);
  return found === undefined ? undefined : Math.ceil(found);
}

/** Processors, `500m` being a half. */
export const cpusOf = quantity;
