const API = "https://insiders-trades.com";
const KEY = process.env.INSIDERS_API_KEY;
async function topSignals(direction = "BUY", days = 1) {
const url = new URL(API + "/api/v1/signals");
url.searchParams.set("direction", direction);
url.searchParams.set("lookbackDays", String(days));
url.searchParams.set("minScore", "50");
url.searchParams.set("limit", "10");
const res = await fetch(url, {
headers: { Authorization: "Bearer " + KEY },
});
if (!res.ok) throw new Error(`HTTP ${res.status}`);
const { items, meta } = await res.json();
console.log(`${items.length} signals · latency ${meta.latencyMs}ms`);
for (const s of items) {
console.log(
`[${s.signal.score}] ${s.company.name.padEnd(32)} ${s.insider.name} · ${s.transaction.amount}€`
);
}
}
topSignals();
