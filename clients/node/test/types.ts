/** What programs write against the package's types: compiled in the check, never run. */

import {
  Client,
  FatalError,
  fileState,
  isConsensusBuy,
  isConsensusExit,
  isInsiderSignal,
  Once,
  type Reads,
  type Signal,
  type SignalEvent,
  WebhookReceiver,
} from "sigcast";

function words(signal: Signal): string {
  if (isConsensusBuy(signal)) {
    const scores: number[] = signal.triggering_wallets.map((wallet) => wallet.score);
    return `${signal.token.symbol ?? signal.token.address} ${Math.max(...scores)} ${signal.update ?? 0}`;
  }
  if (isConsensusExit(signal)) return `${signal.exited_wallets.length} of ${signal.triggering_wallet_count}`;
  if (isInsiderSignal(signal)) {
    const factor = signal.score.factors.find((one) => one.key === "size_mcap");
    return `${signal.company.name} ${signal.score.inputs.role} ${factor?.rationale ?? ""}`;
  }
  return `${signal.seq} ${String(signal["anything"])}`;
}

export async function program(key: string): Promise<void> {
  const once = new Once();
  const client = new Client({
    url: "https://signals.example",
    key,
    filter: { types: ["consensus_buy"], minRank: "A" },
    state: fileState("./position"),
    once,
    onGap: async (gap) => console.error(gap.from, gap.to, gap.reason satisfies string),
    onNotice: (notice) => {
      if (notice.kind === "connected") console.error(notice.hello.ping_seconds);
      if (notice.kind === "hole") console.error(notice.recovered);
    },
  });
  const handle = ({ signal, event }: SignalEvent): void => console.log(event, words(signal));
  new WebhookReceiver({ secrets: ["whsec_AAAA"], handle, once });
  try {
    for await (const event of client) handle(event);
    const { matches, theirs } = await client.verify();
    console.log(matches, theirs.head + 1);
  } catch (error) {
    if (error instanceof FatalError) console.error(error.code, error.status);
    // @ts-expect-error: there is no such field
    console.error(client.key);
  }
}

export async function reads({ log }: Client): Promise<void> {
  const me = await log.read("/api/v1/me");
  console.log(me.plan.requestsPerDay satisfies number | null, me.meta.requestId);
  const { items, total } = await log.read("/api/v1/declarations", { direction: "BUY" });
  for (const { amfId, signal, backtest } of items) {
    console.log(total, amfId, signal.band ?? signal.reason, signal.supersededBy, backtest?.excess["90d"]);
  }
  const slug = encodeURIComponent(items[0]?.company.slug ?? "");
  const company = await log.read<Reads["/api/v1/companies/{slug}"]>(`/api/v1/companies/${slug}`);
  console.log(company.marketCap satisfies number | null);
  const own = await log.read<{ user: { name: string } }>("/api/v1/me");
  console.log(own.user.name);
  // @ts-expect-error: a path whose parameter is still to be filled in is no read
  console.log((await log.read("/api/v1/companies/{slug}")).name);
}
