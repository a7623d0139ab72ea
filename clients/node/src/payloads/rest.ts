/** What the log says of itself over REST, and what webhooks send. */

import type { Signal } from "./signal.js";

/** `GET /api/signals` */
export interface SignalList {
  items: Signal[];
  /** For `after`: where a poller goes on. */
  next: string;
  epoch: string;
  /** The seq of the log's last row. */
  head: number;
}

/** `GET /api/signals/digest`: of a range of the log, both ends inclusive. */
export interface Digest {
  from: string;
  to: string;
  count: number;
  /** 64 hexadecimal digits. */
  digest: string;
  epoch: string;
  head: number;
}

export interface StreamDelivery {
  connection: number;
  node: string;
  key_prefix: string;
  /** The stream's filter; null: it got everything. */
  filter: Record<string, unknown> | null;
  saved_at: string;
}

export interface WebhookDelivery {
  webhook_id: string;
  state: "acknowledged" | "waiting" | "failed" | "pending" | "not_sent" | "forgotten";
  acknowledged_at: string | null;
  attempts: number;
}

/** What became of a signal. */
export interface DeliveryReport {
  id: string;
  seq: number;
  event_id: string;
  published_at: string;
  streams: StreamDelivery[];
  webhooks: WebhookDelivery[];
}

/** `GET /api/v1/deliveries` */
export interface Deliveries {
  items: DeliveryReport[];
  summary: {
    signals: number;
    on_stream: number;
    by_webhook: number;
    /** Ids of signals that neither channel has brought. */
    on_neither: string[];
    undecided: number;
  };
  next: string;
  epoch: string;
  head: number;
  meta: Meta;
}

/** Of every answer under `/api/v1`. */
export interface Meta {
  latencyMs: number;
  dataFreshness: Record<string, string | null>;
  requestId: string;
}

/** The body of every refusal. */
export interface ErrorBody {
  error: { code: string; message: string; status: number; details?: Record<string, unknown> };
}

/** The body of a webhook's test. The body of any other webhook is a `Signal`. */
export interface WebhookTest {
  type: "webhook.test";
  id: string;
  webhook_id: string;
  sent_at: string;
  message: string;
}

/** What a webhook's body may be. */
export type WebhookBody = Signal | WebhookTest;
