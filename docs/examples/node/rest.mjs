// The same over HTTP with nothing but fetch: a report that is safe to repeat,
// the dialects' paths, PostgREST's own, and errors as they come.
//
//   METER_URL=http://127.0.0.1:8080 METER_TOKEN=... node rest.mjs
//
// The token names the role (meter_writer), the organization_id and the scopes
// (admin meter-report).
const { METER_URL: url, METER_TOKEN: token } = process.env;

async function call(method, path, { body, headers } = {}) {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

// A network that fails, or a server that restarts, is asked again with the same
// key; any other answer is final.
async function report(usage, key) {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await call('POST', '/meters/usage', { body: usage, headers: { 'idempotency-key': key } });
      if (answer.status < 500 || attempt === 4) return answer;
    } catch (error) {
      if (attempt === 4) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
  }
}

const { body: { data: meter } } = await call('POST', '/meters', {
  body: { key: 'pages', name: 'Pages', metric_key: 'page.printed', function: 'sum', value_field: '$.value' },
});
console.log(`meter: ${meter.key}`);

const usage = { meterId: meter.id, customerId: 'bob', value: 3 };
console.log(`reported: ${(await report(usage, 'page-1')).body.status}`);
console.log(`repeated: ${(await report(usage, 'page-1')).body.status}`);
const other = await report({ ...usage, value: 4 }, 'page-1');
console.log(`another under the same key: ${other.status} ${other.body.code}`);

// Events in batches, PostgREST's way: named arguments.  The events of a batch
// need not have the same members.
const events = [
  { id: 'e1', source: 'printer', type: 'page.printed', subject: 'bob', data: { value: 2 } },
  { id: 'e2', source: 'printer', type: 'page.printed', time: new Date().toISOString(), subject: 'eve', data: { value: '0.5' } },
  { id: 'e3', source: 'printer', type: 'page.printed', subject: 'eve', data: { value: 'many' } },
];
const ingested = await call('POST', '/rpc/ingest', { body: { events } });
console.log(`ingested: ${ingested.body.map((row) => row.code ?? row.status).join(', ')}`);

// The same as a batch of CloudEvents.
const batch = await call('POST', '/rpc/ingest', { body: events.slice(0, 2), headers: { 'content-type': 'application/cloudevents-batch+json' } });
console.log(`again: ${batch.body.map((row) => row.status).join(', ')}`);

const range = new URLSearchParams({ meter: 'pages', period_from: '2020-01-01', period_to: '2100-01-01', group_by: '{subject}', select: 'subject,value', order: 'subject' });
const used = await call('GET', `/rpc/usage?${range}`);
console.log(`used: ${used.body.map((row) => `${row.subject} ${row.value}`).join(', ')}`);

const wrong = await call('GET', '/meters?colour.eq=red');
console.log(`refused: ${wrong.status} ${wrong.body.code}`);
