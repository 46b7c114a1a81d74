import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startedKits } from './started-kits.js';
import { claim, type Kit, keyOf, open, post, someBytes, status, until, write } from './test-kit.js';

const { start } = startedKits();

const SIZE = 300_000;
const PIECE = 100_000;
const bytes = someBytes(SIZE);

/** A piece whose body is written by hand. */
const openPiece = (kit: Kit, startByte: number, length = PIECE) =>
  open(kit.port, '/api/upload', {
    method: 'POST',
    headers: { ...claim('a', startByte, SIZE), 'x-piece': '1', 'content-length': String(length) },
  });
const sendPiece = async (kit: Kit, startByte: number) => {
  const { client, answer } = openPiece(kit, startByte);
  client.end(bytes.subarray(startByte, startByte + PIECE));
  const { status: code, text } = await answer;
  return [code, text];
};
const held = (kit: Kit) => readFile(join(kit.dataDir, `${keyOf('a')}.data`));
const began = (kit: Kit, startByte: number) =>
  until(
    () => kit.records.some((record) => record.event === 'upload-start' && record.startByte === startByte),
    `a request from ${startByte}`,
  );

describe('pieces, which are made in advance', () => {
  it('wait for the one before them, though they come first, and end nobody', async () => {
    const kit = await start();
    const third = sendPiece(kit, 2 * PIECE);
    await began(kit, 2 * PIECE);
    const first = openPiece(kit, 0);
    await write(first.client, bytes.subarray(0, 10));
    await until(() => kit.records.some(({ event }) => event === 'first-byte'), 'the first byte');
    const second = sendPiece(kit, PIECE);
    await began(kit, PIECE);
    first.client.end(bytes.subarray(10, PIECE));
    expect((await first.answer).text).toBe(String(PIECE));
    expect(await second).toEqual([200, String(2 * PIECE)]);
    expect(await third).toEqual([200, String(SIZE)]);
    expect(await held(kit)).toEqual(bytes);
    expect(kit.uploads().map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
  });

  it('may come again from their first byte: what is held is passed over', async () => {
    const kit = await start();
    const cut = openPiece(kit, 0);
    await write(cut.client, bytes.subarray(0, 40_000));
    await until(async () => (await status(kit.port, 'a')).text === '40000', '40000 bytes');
    cut.client.destroy();
    expect(await sendPiece(kit, 0)).toEqual([200, String(PIECE)]);
    expect((await held(kit)).subarray(0, PIECE)).toEqual(bytes.subarray(0, PIECE));
    const [first, again] = kit.uploads();
    expect([first?.acceptedBytes, again?.acceptedBytes, again?.receivedBytes]).toEqual([40_000, 60_000, PIECE]);
  });

  it('that are held as a whole are answered with the number, also after the last one', async () => {
    const kit = await start();
    for (const startByte of [0, PIECE, 2 * PIECE]) await sendPiece(kit, startByte);
    for (const startByte of [2 * PIECE, 0]) expect(await sendPiece(kit, startByte)).toEqual([200, String(SIZE)]);
    expect(await held(kit)).toEqual(bytes);
  });

  it('that are empty are answered at once, and make nothing', async () => {
    const kit = await start();
    const empty = openPiece(kit, 0, 0);
    empty.client.end();
    const { status: code, text } = await empty.answer;
    expect([code, text]).toEqual([200, '0']);
    expect(kit.uploads().map(({ writerFromMs }) => writerFromMs)).toEqual([undefined]);
  });

  it('take over from an older request for the same piece, which may be dead', async () => {
    const kit = await start();
    const dead = openPiece(kit, 0);
    await write(dead.client, bytes.subarray(0, 10));
    await until(() => kit.records.some(({ event }) => event === 'first-byte'), 'the first byte');
    expect(await sendPiece(kit, 0)).toEqual([200, String(PIECE)]);
    expect((await dead.answer).status).toBe(409);
  });

  it('whose predecessor does not come are refused with the number', async () => {
    const kit = await start({ pieceWaitMs: 50 });
    await sendPiece(kit, 0);
    expect(await sendPiece(kit, 2 * PIECE)).toEqual([409, String(PIECE)]);
  });

  it('make way for a request that is none', async () => {
    const kit = await start();
    const piece = openPiece(kit, 0);
    await write(piece.client, bytes.subarray(0, 10));
    await until(async () => (await status(kit.port, 'a')).text === '10', 'ten bytes');
    const rest = await post(kit.port, 'a', 10, SIZE, bytes.subarray(10));
    expect([rest.status, rest.text, (await piece.answer).status]).toEqual([200, String(SIZE), 409]);
    expect(await held(kit)).toEqual(bytes);
  });
});
