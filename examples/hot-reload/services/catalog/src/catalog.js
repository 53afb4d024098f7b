const teas = ["Assam", "Darjeeling", "Rooibos", "Sencha"];

export function offer() {
  return `${teas.length} teas: ${teas.join(", ")}`;
}
