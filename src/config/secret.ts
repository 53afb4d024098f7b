import type { Variable } from "./tree.js";

/** What stands in place of a secret value. */
export const hidden = "(hidden)";

/** Whether a variable of this name is likely to hold a secret. */
export function looksSecret(name: string): boolean {
  return /PASSWORD|TOKEN|SECRET|KEY|CREDENTIAL/i.test(name);
}

/** Whether any of the variables that a value was made of is likely to hold a secret. */
export function madeOfSecrets(variables: readonly Variable[] | undefined): boolean {
  return variables?.some(({ name }) => looksSecret(name)) ?? false;
}
