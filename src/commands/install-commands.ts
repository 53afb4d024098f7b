import { readFile } from "node:fs/promises";

/** Which commands install things on a machine. */
export type PackageManager = "apt" | "dnf" | "pacman" | "apk" | "brew" | "winget";

const families: Readonly<Record<string, PackageManager>> = {
  debian: "apt",
  ubuntu: "apt",
  fedora: "dnf",
  rhel: "dnf",
  centos: "dnf",
  arch: "pacman",
  alpine: "apk",
};

/** That of this machine, told by /etc/os-release (os-release(5)) on Linux; undefined for a Linux that is none of those known. */
export async function packageManager(
  platform: NodeJS.Platform = process.platform,
  osRelease = "/etc/os-release",
): Promise<PackageManager | undefined> {
  if (platform === "darwin") return "brew";
  if (platform === "win32") return "winget";
  const text = await readFile(osRelease, "utf8").catch(() => "");
  const field = (name: string): string =>
    new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1]?.toLowerCase() ?? "";
  const words = [field("ID"), ...field("ID_LIKE").split(/\s+/)];
  return words.map((word) => families[word]).find((found) => found !== undefined);
}

const kustomizeScript =
  "curl -fsSL https://raw.githubusercontent.com/kubernetes-sigs/kustomize/master/hack/install_kustomize.sh | bash && sudo mv kustomize /usr/local/bin/";

type Tool = "engine" | "kustomize" | "helm";
const commands: Readonly<Record<Tool, Partial<Record<PackageManager, string>> & { readonly site: string }>> =
  {
    engine: {
      apt: "sudo apt-get install -y docker.io && sudo systemctl enable --now docker",
      dnf: "sudo dnf install -y moby-engine && sudo systemctl enable --now docker",
      pacman: "sudo pacman -S docker && sudo systemctl enable --now docker",
      apk: "sudo apk add docker && sudo rc-update add docker && sudo service docker start",
      brew: "brew install colima docker && colima start   (or Docker Desktop)",
      winget: "winget install Docker.DockerDesktop",
      site: "https://docs.docker.com/engine/install",
    },
    // Debian's and Fedora's releases have no package of it: what its makers give.
    kustomize: {
      apt: kustomizeScript,
      dnf: kustomizeScript,
      pacman: "sudo pacman -S kustomize",
      apk: "sudo apk add kustomize",
      brew: "brew install kustomize",
      winget: "winget install Kubernetes.kustomize",
      site: "https://kubectl.docs.kubernetes.io/installation/kustomize",
    },
    helm: {
      apt: "curl -fsSL https://raw.githubusercontent.com/helm/helm/main/scripts/get-helm-3 | bash",
      dnf: "sudo dnf install -y helm",
      pacman: "sudo pacman -S helm",
      apk: "sudo apk add helm",
      brew: "brew install helm",
      winget: "winget install Helm.Helm",
      site: "https://helm.sh/docs/intro/install",
    },
  };

/** The command that installs a tool with the machine's own package manager, else where its makers tell how. */
export function installCommand(tool: Tool, manager: PackageManager | undefined): string {
  const { [manager ?? "apt"]: command, site } = commands[tool];
  return manager === undefined || command === undefined ? site : command;
}

/** What starts an engine that is installed and does not answer at its local socket. */
export function startEngineCommand(
  manager: PackageManager | undefined,
  { systemd }: { readonly systemd: boolean },
): string {
  if (manager === "brew") return "colima start   (or open -a Docker)";
  if (manager === "winget") return "start Docker Desktop";
  return systemd ? "sudo systemctl start docker" : "sudo service docker start";
}
