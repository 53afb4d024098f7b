/** One JSON object a line on standard output: what `kubectl logs`, devloop and log collectors read alike. */
export function createLog(service, write = (line) => process.stdout.write(line)) {
  const at = (level) => (message, fields) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, service, message, ...fields })}\n`);
  return { info: at("info"), warn: at("warn"), error: at("error") };
}
