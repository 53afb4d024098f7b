/** Stops this process and those that run with it, as ctrl-z does outside of raw mode; resolves when the shell brings it back. */
export async function suspendProcess(): Promise<void> {
  const back = new Promise<void>((resolve) => {
    process.once("SIGCONT", () => {
      resolve();
    });
  });
  // The whole job: a package runner that waits for us is stopped with us, and the shell has its terminal.
  process.kill(0, "SIGTSTP");
  await back;
}
