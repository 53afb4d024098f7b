import { BlockList, isIP } from "node:net";

/** Names that container products give to the machine itself. */
const ownNames = [
  /^localhost$/,
  /\.localhost$/,
  /^(host|kubernetes|gateway)\.docker\.internal$/,
  /^host\.(k3d|minikube|lima|rancher-desktop)\.internal$/,
  /^control-plane\.minikube\.internal$/,
  /\.orb\.local$/,
];

/**
 * Whether a URL's host name is this machine or a private network: loopback, "any", RFC 1918, unique local, link local, or
 * one of the names that container products use for the machine. A name that would need DNS is not.
 */
export function isPrivateHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  const family = isIP(bare);
  if (family === 0) return ownNames.some((name) => name.test(bare));
  return privateRanges().check(bare, family === 6 ? "ipv6" : "ipv4");
}

function privateRanges(): BlockList {
  const list = new BlockList();
  list.addAddress("0.0.0.0");
  list.addSubnet("127.0.0.0", 8);
  list.addSubnet("10.0.0.0", 8);
  list.addSubnet("172.16.0.0", 12);
  list.addSubnet("192.168.0.0", 16);
  list.addSubnet("169.254.0.0", 16);
  list.addAddress("::", "ipv6");
  list.addAddress("::1", "ipv6");
  list.addSubnet("fc00::", 7, "ipv6");
  list.addSubnet("fe80::", 10, "ipv6");
  return list;
}
