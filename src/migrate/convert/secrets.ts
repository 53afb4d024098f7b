/** Whether a variable is treated as a secret: by its name, or by a password in a URL. */
export function looksSecret(name: string, value: string): boolean {
  if (value === "" || /_(FILE|PATH|DIR|URL|NAME|ID)$/i.test(name)) return hasPassword(value);
  return secretNames.test(name) || hasPassword(value);
}

/** `BYPASS` and `COMPASS` end in no password, and `PWD` by itself is a directory. */
const secretNames =
  /PASS(WORD|WD|PHRASE)|(?<!BY|COM|TRES|SUR)PASS\d*($|_)|_PWD\d*($|_)|(^|_)(SALT|AUTH)\d*$|TOKEN|SECRET|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|_KEY\d*$/i;

function hasPassword(value: string): boolean {
  return /:\/\/[^\s/:@]*:[^\s/@]+@/.test(value);
}

/** Files that hold keys are secrets, however they are mounted. */
export function isSecretFile(path: string): boolean {
  return /\.(key|pem|p12|pfx|jks|keystore)$|(^|\/)(id_rsa|id_ed25519|\.htpasswd|\.pgpass|\.netrc)$/i.test(
    path,
  );
}
