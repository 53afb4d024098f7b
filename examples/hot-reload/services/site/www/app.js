// The local ports of devloop.yaml's forwards.
const services = { orders: 8081, catalog: 8082, prices: 8083, shipping: 8084 };
const everyMs = 500;

for (const [name, port] of Object.entries(services)) {
  const card = document.querySelector("#cards").appendChild(document.createElement("article"));
  const [title, text, process] = ["h2", "strong", "small"].map((tag) =>
    card.appendChild(document.createElement(tag)),
  );
  title.textContent = name;
  const refresh = async () => {
    try {
      const answer = await (await fetch(`http://${location.hostname}:${port}/`)).json();
      text.textContent = answer.text;
      process.textContent = `${answer.pod}, process started ${new Date(answer.started).toLocaleTimeString()}`;
      card.className = "";
    } catch {
      card.className = "away";
    }
    setTimeout(refresh, everyMs);
  };
  void refresh();
}
