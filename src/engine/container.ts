/** A container that runs one of the project's images. */
export interface RunningContainer {
  /** The runtime's id: another after each restart by the kubelet. */
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  /** As it stands in the pod's spec. */
  readonly image: string;
  /** How often the connection to its agent had to be made anew: what it holds is looked at again after each. */
  readonly reconnects: number;
}

export type NewContainer = Omit<RunningContainer, "reconnects">;
