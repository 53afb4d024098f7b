import type { BlkioConfig, Deploy, DeviceRequest, ServiceBuild } from "./service-parts-model.js";
import type { Bytes, Extensions, Milliseconds, Ulimit, FileMount } from "./values-model.js";

// A service of the Compose Specification in its long form. Keys are Compose's own, so that a path in the model is the
// path in the file; what a service does not say is not there, but for the defaults that Compose itself fills in.

/** One service. Keys that the specification keeps only for old files (`net`, `log_driver`, …) are refused on reading. */
export interface ComposeService extends Extensions {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly attach?: boolean;
  readonly blkio_config?: BlkioConfig;
  readonly build?: ServiceBuild;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly cgroup?: "host" | "private";
  readonly cgroup_parent?: string;
  /** Arguments; a text was split as a shell would split it. An empty list clears the image's. */
  readonly command?: readonly string[] | null;
  readonly configs?: readonly FileMount[];
  readonly container_name?: string;
  readonly cpu_count?: number;
  readonly cpu_percent?: number;
  readonly cpu_period?: number;
  readonly cpu_quota?: number;
  readonly cpu_rt_period?: number;
  readonly cpu_rt_runtime?: number;
  readonly cpu_shares?: number;
  readonly cpus?: number;
  readonly cpuset?: string;
  readonly credential_spec?: CredentialSpec;
  /** Also what follows from links, volumes_from and `service:` modes: those have the origin of what they follow from. */
  readonly depends_on?: Readonly<Record<string, Dependency>>;
  readonly deploy?: Deploy;
  readonly develop?: { readonly watch?: readonly WatchRule[] } & Extensions;
  readonly device_cgroup_rules?: readonly string[];
  readonly devices?: readonly DeviceMapping[];
  readonly dns?: readonly string[];
  readonly dns_opt?: readonly string[];
  readonly dns_search?: readonly string[];
  readonly domainname?: string;
  /** As `command`. */
  readonly entrypoint?: readonly string[] | null;
  /** Absolute paths. Their content is in `environment` too. */
  readonly env_file?: readonly EnvFile[];
  /**
   * What the container gets: env_file below environment, names without a value resolved. Null: such a name that is
   * set nowhere, which Compose leaves out of the container. What comes of an env_file has an origin in that file.
   */
  readonly environment?: Readonly<Record<string, string | null>>;
  /** `80`, `80/udp`, `8000-8005`. */
  readonly expose?: readonly string[];
  readonly external_links?: readonly string[];
  /** Addresses by host name, each name with all its addresses. */
  readonly extra_hosts?: Readonly<Record<string, readonly string[]>>;
  readonly gpus?: readonly DeviceRequest[];
  readonly group_add?: readonly string[];
  readonly healthcheck?: Healthcheck;
  readonly hostname?: string;
  /** Not there for a service that is only built: then `<project>-<service>` is its image's name. */
  readonly image?: string;
  readonly init?: boolean;
  readonly ipc?: string;
  readonly isolation?: string;
  /** Absolute paths. Their content is in `labels` too. */
  readonly label_file?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly links?: readonly string[];
  readonly logging?: Logging;
  readonly mac_address?: string;
  readonly mem_limit?: Bytes;
  readonly mem_reservation?: Bytes;
  readonly mem_swappiness?: number;
  /** -1: no limit. */
  readonly memswap_limit?: Bytes;
  readonly models?: Readonly<Record<string, ServiceModel | null>>;
  readonly network_mode?: string;
  /** The default network is filled in where a service names none. */
  readonly networks?: Readonly<Record<string, ServiceNetwork | null>>;
  readonly oom_kill_disable?: boolean;
  readonly oom_score_adj?: number;
  readonly pid?: string;
  /** -1: no limit. */
  readonly pids_limit?: number;
  readonly platform?: string;
  /** Ranges are written out: one entry a port. */
  readonly ports?: readonly ServicePort[];
  readonly post_start?: readonly ServiceHook[];
  readonly pre_stop?: readonly ServiceHook[];
  readonly privileged?: boolean;
  readonly profiles?: readonly string[];
  readonly provider?: ServiceProvider;
  readonly pull_policy?: string;
  readonly pull_refresh_after?: string;
  readonly read_only?: boolean;
  /** `no`, `always`, `unless-stopped`, `on-failure`, `on-failure:3`. */
  readonly restart?: string;
  readonly runtime?: string;
  readonly scale?: number;
  readonly secrets?: readonly FileMount[];
  readonly security_opt?: readonly string[];
  readonly shm_size?: Bytes;
  readonly stdin_open?: boolean;
  readonly stop_grace_period?: Milliseconds;
  readonly stop_signal?: string;
  readonly storage_opt?: Readonly<Record<string, string>>;
  readonly sysctls?: Readonly<Record<string, string>>;
  /** `/run` or `/run:size=64m,mode=755`. */
  readonly tmpfs?: readonly string[];
  readonly tty?: boolean;
  readonly ulimits?: Readonly<Record<string, Ulimit>>;
  readonly use_api_socket?: boolean;
  readonly user?: string;
  readonly userns_mode?: string;
  readonly uts?: string;
  readonly volumes?: readonly ServiceVolume[];
  readonly volumes_from?: readonly string[];
  readonly working_dir?: string;
}

export interface CredentialSpec extends Extensions {
  readonly config?: string;
  readonly file?: string;
  readonly registry?: string;
}

export interface Dependency extends Extensions {
  readonly condition: "service_started" | "service_healthy" | "service_completed_successfully";
  readonly restart?: boolean;
  readonly required: boolean;
}

export interface WatchRule extends Extensions {
  /** Absolute. */
  readonly path: string;
  readonly action: "rebuild" | "sync" | "restart" | "sync+restart" | "sync+exec";
  readonly target?: string;
  readonly exec?: ServiceHook;
  readonly include?: readonly string[];
  readonly ignore?: readonly string[];
  readonly initial_sync?: boolean;
}

export interface ServiceHook extends Extensions {
  readonly command?: readonly string[] | null;
  readonly user?: string;
  readonly privileged?: boolean;
  readonly working_dir?: string;
  readonly environment?: Readonly<Record<string, string | null>>;
}

export interface DeviceMapping extends Extensions {
  readonly source: string;
  readonly target?: string;
  readonly permissions?: string;
}

export interface EnvFile {
  /** Absolute. */
  readonly path: string;
  readonly required: boolean;
  /** `raw`: lines as they are, without quotes and variables; else Compose's dotenv rules. */
  readonly format?: string;
}

export interface Healthcheck extends Extensions {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`. */
  readonly test?: readonly string[];
  readonly interval?: Milliseconds;
  readonly timeout?: Milliseconds;
  readonly retries?: number;
  readonly start_period?: Milliseconds;
  readonly start_interval?: Milliseconds;
  readonly disable?: boolean;
}

export interface Logging extends Extensions {
  readonly driver?: string;
  readonly options?: Readonly<Record<string, string>>;
}

export interface ServiceModel extends Extensions {
  readonly endpoint_var?: string;
  readonly model_var?: string;
}

export interface ServiceNetwork extends Extensions {
  readonly aliases?: readonly string[];
  readonly driver_opts?: Readonly<Record<string, string>>;
  readonly gw_priority?: number;
  readonly interface_name?: string;
  readonly ipv4_address?: string;
  readonly ipv6_address?: string;
  readonly link_local_ips?: readonly string[];
  readonly mac_address?: string;
  readonly priority?: number;
}

export interface ServicePort extends Extensions {
  readonly name?: string;
  /** `ingress` is filled in. */
  readonly mode?: string;
  readonly host_ip?: string;
  /** In the container. */
  readonly target: number;
  /** On the host: a number or, where Docker is to choose out of several, a range (`8000-8010`). */
  readonly published?: string;
  /** `tcp` is filled in. */
  readonly protocol?: string;
  readonly app_protocol?: string;
}

export interface ServiceProvider extends Extensions {
  readonly type: string;
  readonly options?: Readonly<Record<string, readonly string[]>>;
}

export interface ServiceVolume extends Extensions {
  readonly type: "bind" | "volume" | "tmpfs" | "cluster" | "npipe" | "image";
  /** A bind's absolute path, a volume's key in `volumes`, an image's name; not there: an anonymous volume. */
  readonly source?: string;
  readonly target?: string;
  readonly read_only?: boolean;
  readonly consistency?: string;
  readonly bind?: {
    readonly propagation?: string;
    readonly create_host_path?: boolean;
    readonly recursive?: "enabled" | "disabled" | "writable" | "readonly";
    readonly selinux?: "z" | "Z";
  } & Extensions;
  readonly volume?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly nocopy?: boolean;
    readonly subpath?: string;
  } & Extensions;
  readonly tmpfs?: {
    readonly size?: Bytes;
    /** Permission bits. */
    readonly mode?: number;
  } & Extensions;
  readonly image?: { readonly subpath?: string } & Extensions;
}
