import type { BuildTag } from "./build-tag.js";

/** An image that devloop made, under one of its names, in one place. */
export interface StoredImage extends BuildTag {
  /** `engine`, or a node's name. */
  readonly place: string;
  /** The name as that place knows it. */
  readonly ref: string;
  /** All digests that stand for the image there. */
  readonly ids: readonly string[];
  /** When it was built, found or loaded last, in ms since the epoch; 0 where that is not known. */
  readonly usedAt: number;
  /** Bytes of all its layers there, whether it shares them or not. */
  readonly bytes: number;
  /** Why the place itself needs it. */
  readonly use?: string;
}

/** What is in use, and by whom in words: `Deployment shop/web`. */
export interface ImageUses {
  /** By reference, as containerd writes it. */
  readonly refs: ReadonlyMap<string, string>;
  /** By digest, `sha256:…`, of whatever stands for an image. */
  readonly digests: ReadonlyMap<string, string>;
}

/** A number of bytes. Not `exact`: it may be less. */
export interface Amount {
  readonly bytes: number;
  readonly exact: boolean;
}

/** An image that is still there: `used` since it was read, so that it has to be, or `refused` by the place. */
export interface NotRemoved {
  readonly image: StoredImage;
  readonly reason: "used" | "refused";
  /** In the place's own words. */
  readonly message: string;
}

/** A place that images are kept in, as it was when it was read. */
export interface ImageStore {
  /** `engine`, or a node's name. */
  readonly place: string;
  /** Those that devloop made. */
  readonly images: readonly StoredImage[];
  /** What these images hold and no other image does. */
  held(images: readonly StoredImage[]): Amount;
  /** What is free once they are gone: of what they hold, that which no container keeps either. */
  freed(images: readonly StoredImage[]): Amount;
  /** Takes these names away, and with an image's last name the image. Throws only when the place does not answer. */
  remove(
    images: readonly StoredImage[],
    options: { readonly signal: AbortSignal },
  ): Promise<readonly NotRemoved[]>;
}
