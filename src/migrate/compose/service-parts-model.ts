import type { Bytes, Extensions, FileMount, Milliseconds, Ulimit } from "./values-model.js";

// The parts of a service that have many keys of their own.

export interface ServiceBuild extends Extensions {
  /** Absolute, or a URL. */
  readonly context?: string;
  /** Relative to the context unless absolute; `Dockerfile` is filled in where there is no `dockerfile_inline`. */
  readonly dockerfile?: string;
  readonly dockerfile_inline?: string;
  readonly entitlements?: readonly string[];
  /** Null: the builder's own environment decides. */
  readonly args?: Readonly<Record<string, string | null>>;
  readonly provenance?: string;
  readonly sbom?: string;
  /** Keys or agents by id; null for the default agent. */
  readonly ssh?: Readonly<Record<string, string | null>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly cache_from?: readonly string[];
  readonly cache_to?: readonly string[];
  readonly no_cache?: boolean;
  /** By name: absolute paths, URLs, `docker-image://…`, `service:NAME`. */
  readonly additional_contexts?: Readonly<Record<string, string>>;
  readonly pull?: boolean;
  readonly extra_hosts?: Readonly<Record<string, readonly string[]>>;
  readonly isolation?: string;
  readonly network?: string;
  readonly target?: string;
  readonly secrets?: readonly FileMount[];
  readonly shm_size?: Bytes;
  readonly tags?: readonly string[];
  readonly ulimits?: Readonly<Record<string, Ulimit>>;
  readonly platforms?: readonly string[];
  readonly privileged?: boolean;
}

export interface BlkioConfig extends Extensions {
  readonly weight?: number;
  readonly weight_device?: readonly { readonly path: string; readonly weight?: number }[];
  readonly device_read_bps?: readonly ThrottleDevice[];
  readonly device_read_iops?: readonly ThrottleDevice[];
  readonly device_write_bps?: readonly ThrottleDevice[];
  readonly device_write_iops?: readonly ThrottleDevice[];
}
export interface ThrottleDevice {
  readonly path?: string;
  /** Bytes, or operations, a second. */
  readonly rate?: number;
}

export interface Deploy extends Extensions {
  /** `replicated`, `global`, `replicated-job`, `global-job`. */
  readonly mode?: string;
  readonly endpoint_mode?: string;
  readonly replicas?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly update_config?: UpdateConfig;
  readonly rollback_config?: UpdateConfig;
  readonly resources?: {
    readonly limits?: ResourceLimits;
    readonly reservations?: ResourceReservations;
  } & Extensions;
  readonly restart_policy?: {
    readonly condition?: string;
    readonly delay?: Milliseconds;
    readonly max_attempts?: number;
    readonly window?: Milliseconds;
  } & Extensions;
  readonly placement?: {
    readonly constraints?: readonly string[];
    readonly preferences?: readonly ({ readonly spread?: string } & Extensions)[];
    readonly max_replicas_per_node?: number;
  } & Extensions;
}
export interface UpdateConfig extends Extensions {
  readonly parallelism?: number;
  readonly delay?: Milliseconds;
  readonly failure_action?: string;
  readonly monitor?: Milliseconds;
  readonly max_failure_ratio?: number;
  readonly order?: "start-first" | "stop-first";
}
export interface ResourceLimits extends Extensions {
  readonly cpus?: number;
  readonly memory?: Bytes;
  readonly pids?: number;
}
export interface ResourceReservations extends Extensions {
  readonly cpus?: number;
  readonly memory?: Bytes;
  readonly generic_resources?: readonly ({
    readonly discrete_resource_spec?: { readonly kind?: string; readonly value?: number } & Extensions;
  } & Extensions)[];
  readonly devices?: readonly DeviceRequest[];
}
export interface DeviceRequest extends Extensions {
  readonly capabilities?: readonly string[];
  readonly driver?: string;
  /** -1: all. */
  readonly count?: number;
  readonly device_ids?: readonly string[];
  readonly options?: Readonly<Record<string, string>>;
}
