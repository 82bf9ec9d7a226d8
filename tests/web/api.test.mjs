import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { openEntry } from '../../vizproxy/web/api.js';

/** A server that notes what it is asked, and a page under its prefix. */
async function served(t, answer) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const parts = await request.toArray();
    asked.push([request.method, request.url, Buffer.concat(parts).toString()]);
    response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer.body));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  globalThis.document = { baseURI: `http://127.0.0.1:${server.address().port}/user/zo%C3%AB/desktop/?open=x` };
  t.after(() => {
    delete globalThis.document;
    server.closeAllConnections();
    server.close();
  });
  return asked;
}

test('an entry is opened as a tile, or anew', async (t) => {
  const asked = await served(t, { status: 201, body: { app: 'kate-1', raised: false } });
  assert.deepEqual(await openEntry('tile.x/y', { tile: true }), { app: 'kate-1', raised: false });
  await openEntry('1.kate', { new: true });
  const base = '/user/zo%C3%AB/desktop/api/v1/menu';
  assert.deepEqual(asked, [
    ['POST', `${base}/tile.x%2Fy/open`, '{"tile":true}'],
    ['POST', `${base}/1.kate/open`, '{"new":true}'],
  ]);
});

test('what the daemon refuses is told in its words', async (t) => {
  const body = { code: 'no_such_entry', message: "cannot find 'kate' in the menu: it is no tile", hint: 'the app menu' };
  await served(t, { status: 404, body });
  await assert.rejects(openEntry('kate', { tile: true }), { name: 'ApiError', status: 404, ...body });
});
