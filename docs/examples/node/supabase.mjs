// The client that Supabase's users have, against the views and functions.
//
//   npm install @supabase/postgrest-js
//   METER_URL=http://127.0.0.1:8080/rest METER_TOKEN=... node supabase.mjs
//
// Below /rest every view can be reached; the path /meters itself is seed 000's.
import { PostgrestClient } from '@supabase/postgrest-js';

const { METER_URL: url, METER_TOKEN: token } = process.env;
const client = new PostgrestClient(url, { headers: { Authorization: `Bearer ${token}` } });

const meter = await client.from('meters').select('key,function').eq('key', 'calls').single();
console.log(`meter: ${meter.data.key} ${meter.data.function}`);

const event = { id: 's1', source: 'web', type: 'api.call', subject: 'cy', data: { value: 2 } };
console.log(`ingested: ${(await client.rpc('ingest', { events: [event] })).data[0].status}`);

const period = { meter: 'calls', period_from: '2020-01-01', period_to: '2100-01-01', subject: 'cy' };
const usage = await client.rpc('usage', period, { get: true }).select('subject,value').single();
console.log(`used: ${usage.data.subject} ${usage.data.value}`);

const allowed = await client.rpc('check_quota', { meter: 'calls', subject: 'cy', quantity: 1 }, { get: true });
console.log(`one more: ${allowed.data.allowed}`);

const none = await client.rpc('usage', { ...period, meter: 'nothing' }, { get: true });
console.log(`refused: ${none.status} ${none.error.code}`);
