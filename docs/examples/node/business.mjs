// Usage as part of the business: the order and its usage commit together or
// not at all, a retry counts once, a quota refuses before anything is sold, and
// what follows from it arrives as domain events.
//
//   npm install pg
//   METER_ORGANIZATION=... node business.mjs      (libpq's PGHOST, PGDATABASE ... say where)
//
// Needs a role that may name the organization in each call (meter_backend), a
// meter "calls" that sums "value", and a table:
//   CREATE TABLE shop_order (id text PRIMARY KEY, customer text, calls int);
import pg from 'pg';

const organization = process.env.METER_ORGANIZATION;
const db = new pg.Client();
await db.connect();

// Wakes up at the commit of a transaction that left domain events.
const ears = new pg.Client();
await ears.connect();
let woken = 0;
ears.on('notification', () => { woken++; });
await ears.query('LISTEN meter_outbox');

// One transaction.  The order's id is the idempotency key, so calling it again
// after a lost connection is always safe.
async function sell(order, { thenFail = false } = {}) {
  await db.query('BEGIN');
  try {
    await db.query('INSERT INTO shop_order VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [order.id, order.customer, order.calls]);
    const { rows: [{ report }] } = await db.query('SELECT meter.report_usage($1, $2, $3) AS report',
      [organization, { meterId: 'calls', customerId: order.customer, value: order.calls }, order.id]);
    if (thenFail) throw new Error('the card was declined');
    await db.query('COMMIT');
    return report.status;
  } catch (error) {
    await db.query('ROLLBACK');
    throw error;
  }
}

// node-postgres gives a numeric as text: exact, as it was stored.
async function used(customer) {
  const { rows: [row] } = await db.query(
    `SELECT value FROM meter.usage($1, 'calls', date_trunc('month', now()), date_trunc('month', now()) + interval '1 month', subject => $2)`,
    [organization, customer]);
  return row.value;
}

const order = { id: 'order-1', customer: 'ada', calls: 6 };

try {
  await sell(order, { thenFail: true });
} catch (error) {
  console.log(`rolled back (${error.message}), used: ${await used('ada')}`);
}
console.log(`sold: ${await sell(order)}, used: ${await used('ada')}`);
console.log(`again: ${await sell(order)}, used: ${await used('ada')}`);

// A threshold with action_kind "block" refuses what would go beyond it: SQLSTATE
// 53400, and a DETAIL that is JSON.  Nothing of the order is left.
try {
  await sell({ id: 'order-2', customer: 'ada', calls: 5 });
} catch (error) {
  const { code, limit, used: before, asked } = JSON.parse(error.detail);
  console.log(`refused: ${error.code} ${code}, limit ${limit}, used ${before}, asked ${asked}`);
}
const { rows: [{ orders }] } = await db.query('SELECT string_agg(id, $1) AS orders FROM shop_order', [',']);
console.log(`orders: ${orders}, used: ${await used('ada')}`);

// The relay's part: claim, deliver, acknowledge.  docs/outbox.md has the rest.
for (let wait = 0; woken === 0 && wait < 100; wait++) await new Promise((resolve) => setTimeout(resolve, 50));
console.log(`woken: ${woken > 0}`);
const { rows: events } = await db.query(`SELECT id, event_type, payload FROM meter.outbox_claim(100, '1 minute')`);
for (const event of events.filter((e) => e.event_type === 'threshold.breached')) {
  console.log(`delivered: ${event.event_type} ${event.payload.threshold_value}`);
}
await db.query('SELECT meter.outbox_ack($1)', [events.map((event) => event.id)]);

await ears.end();
await db.end();
