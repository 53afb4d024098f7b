import { actions, type ActionId } from "./actions.js";
import { line, span, type Line } from "./line.js";
import type { Row } from "./rows.js";
import { clip, fit } from "./text.js";

/** Something that the palette offers. */
export type Offer =
  | { readonly kind: "action"; readonly id: ActionId; readonly name: string; readonly about: string }
  | { readonly kind: "row"; readonly row: Row; readonly name: string; readonly about: string };

/** What fits the text, the best first: rows before actions where they fit as well. */
export function offersOf(text: string, rows: readonly Row[]): readonly Offer[] {
  const all: readonly Offer[] = [
    ...rows.map((row): Offer => ({ kind: "row", row, name: row.name, about: `${row.kind}, ${row.status}` })),
    ...actions
      .filter(({ id }) => id !== "palette" && id !== "back")
      .map(({ id, name, about, keys }): Offer => ({
        kind: "action",
        id,
        name,
        about: `${about}  ${keys[0] ?? ""}`,
      })),
  ];
  return all
    .map((offer, index) => ({ offer, index, score: fuzzy(text, `${offer.name} ${offer.about}`) }))
    .filter((each): each is typeof each & { score: number } => each.score !== undefined)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .map(({ offer }) => offer);
}

/**
 * How well a text's letters are found in another's, in order: more for letters that follow each other, that begin a word, and that stand
 * early. Undefined when one is not there.
 */
export function fuzzy(text: string, among: string): number | undefined {
  const wanted = text.toLowerCase().replaceAll(" ", "");
  const found = among.toLowerCase();
  let score = 0;
  let at = -1;
  for (const letter of wanted) {
    const next = found.indexOf(letter, at + 1);
    if (next === -1) return undefined;
    score += next === at + 1 ? 8 : 0;
    score += next === 0 || !/[a-z0-9]/.test(found[next - 1] ?? "") ? 6 : 0;
    score -= next === at + 1 ? 0 : Math.min(4, next - at - 1);
    at = next;
  }
  return score;
}

/** The typed text and what fits it, in so many rows. */
export function paletteLines(
  { text, chosen }: { readonly text: string; readonly chosen: number },
  offers: readonly Offer[],
  { height, columns }: { readonly height: number; readonly columns: number },
): readonly Line[] {
  const room = height - 1;
  const first = Math.max(0, Math.min(chosen - Math.floor(room / 2), offers.length - room));
  const width = Math.min(32, Math.max(8, ...offers.map(({ name }) => name.length)));
  return [
    [span(": ", "bold"), span(clip(text, columns - 4)), span(" ", "hit")],
    ...(offers.length === 0 ? [line("  nothing has that name", "dim")] : []),
    ...offers.slice(first, first + room).map((offer, index): Line => {
      const isChosen = first + index === chosen;
      return [
        span(isChosen ? "› " : "  ", isChosen ? "bold" : undefined),
        span(fit(offer.name, width), isChosen ? "bold" : undefined),
        span(`  ${offer.about}`, "dim"),
      ];
    }),
  ];
}
