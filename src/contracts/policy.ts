// When uploads of an endpoint may be sent, in words that page and worker share; how to read a connection; and the wire on
// which a page asks for it. Beside messages.ts, so that workers and pages without policies have nothing of it, and ignore it.

import { UploadError } from './errors.js';
import { type Check, fits, oneOf } from './shape.js';
import type { UploadId } from './upload.js';

/** A span of each day by the device's own clock, over midnight if it ends before it begins. */
export interface QuietHours {
  /** `HH:MM`, from 00:00 to 23:59. */
  readonly from: string;
  readonly to: string;
}

/** What must be so while uploads of an endpoint are sent. What is left out need not be; what a browser does not tell is taken to be so. */
export interface Policy {
  /** Waits (`metered`) on cellular connections, and where the user has asked the browser to save data. */
  readonly unmetered?: boolean;
  /** Waits (`battery`) at 15 % and below, unless the device is being charged. Known while a page is open. */
  readonly batteryNotLow?: boolean;
  /** Waits (`quiet-hours`) in that span. */
  readonly quietHours?: QuietHours | false;
}

/** What the user wants otherwise. `undefined` goes back to what the app says in its worker. */
export type PolicyChange = { readonly [Name in keyof Policy]?: Policy[Name] | undefined };

/** Of `navigator.connection`, as far as it is there: `type` is told on Android and ChromeOS, `saveData` in all of Chromium. */
export interface Connection {
  readonly type?: string;
  readonly saveData?: boolean;
}

/** `bluetooth` is a phone that lends its own connection. A hotspot's Wi-Fi looks like any other. */
const meteredTypes: readonly unknown[] = ['cellular', 'bluetooth'];

export function isMetered(connection: Connection | undefined): boolean {
  return !!connection?.saveData || meteredTypes.includes(connection?.type);
}

/** The lock that pages hold while they see a low battery: no worker can see it, and the browser frees it with the last of them. */
export function batteryLock(name: string): string {
  return `${name}:battery-low`;
}

/** With its version, which is raised when an older page or worker would misread a newer one. */
const SOURCE = 'backhaul-policy-1';

/** From a page, on a port of its own; answered with the endpoint's policy as it is then, or with a WireError. */
export interface PolicyMessage {
  readonly endpoint: string;
  /** Of what the user wants. */
  readonly change?: PolicyChange;
  /** An upload of that endpoint, to be sent whatever its policy says. */
  readonly id?: UploadId;
}

export function policyMessage(body: PolicyMessage) {
  return { source: SOURCE, ...body };
}

/** Undefined for any other message. */
export function openPolicyMessage(data: unknown): PolicyMessage | undefined {
  return fits(data, { source: oneOf([SOURCE]), endpoint: 'string' }) ? (data as unknown as PolicyMessage) : undefined;
}

const isTime = (time: unknown) => typeof time === 'string' && /^([01]\d|2[0-3]):[0-5]\d$/.test(time);
const isSwitch = (value: unknown) => value === undefined || typeof value === 'boolean';

const shape: Readonly<Record<keyof Policy, Check>> = {
  unmetered: isSwitch,
  batteryNotLow: isSwitch,
  quietHours: (hours) => !hours || (fits(hours, { from: isTime, to: isTime }) && hours['from'] !== hours['to']),
};

export function isPolicy(value: unknown): value is PolicyChange {
  return fits(value, shape) && Object.keys(value).every((name) => name in shape);
}

/** Throws `invalid-option`. */
export function checkPolicy(policy: unknown): void {
  if (!isPolicy(policy)) throw new UploadError('invalid-option', `Policy ${JSON.stringify(policy)}`);
}
