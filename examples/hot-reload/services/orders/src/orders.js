const orders = [
  { tea: "Assam", grams: 250 },
  { tea: "Sencha", grams: 100 },
  { tea: "Rooibos", grams: 500 },
];

export function summary() {
  const grams = orders.reduce((sum, order) => sum + order.grams, 0);
  return `${orders.length} orders, ${grams} g to pack`;
}
