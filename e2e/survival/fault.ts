// Owns the clock of a fault: when the harm began, when the upload could go on, and how long that may take.
import { setTimeout as delay } from 'node:timers/promises';
import type { Stage } from './stage.js';

/** What was done, in epoch milliseconds. */
export interface Fault {
  readonly startedAtMs: number;
  /** From here on nothing but the client itself stands in the way. */
  readonly couldGoOnAtMs: number;
  /** An earlier moment that a user might count from. */
  readonly also?: { readonly from: string; readonly atMs: number };
}

/** Something announces it: `online`, a page, the lock of a stopped worker. */
export const announced = () => 1000;
/** Nothing announces the return of a server: a quarter of the outage, and 2 s. */
export const unannounced = ({ startedAtMs, couldGoOnAtMs }: Fault) => (couldGoOnAtMs - startedAtMs) / 4 + 2000;
export const sinceHole = () => 15_000;

/** Harm after which the upload could go on at once. */
export async function atOnce(harm: () => unknown): Promise<Fault> {
  const startedAtMs = Date.now();
  await harm();
  return { startedAtMs, couldGoOnAtMs: startedAtMs };
}

/** Harm that takes its time: an outage. */
export async function outage(harm: () => unknown): Promise<Fault> {
  const startedAtMs = Date.now();
  await harm();
  return { startedAtMs, couldGoOnAtMs: Date.now() };
}

/** The browser says that it is offline, and nothing passes. */
export async function offlineFor(
  seconds: number,
  { link, browser }: Stage,
  harm: () => void = () => {},
): Promise<Fault> {
  const startedAtMs = Date.now();
  link.blackHoleAll();
  harm();
  await browser.setOffline(true);
  await delay(seconds * 1000);
  link.heal();
  const couldGoOnAtMs = Date.now();
  await browser.setOffline(false);
  return { startedAtMs, couldGoOnAtMs };
}
