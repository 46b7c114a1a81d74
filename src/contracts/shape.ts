// Looks at values from outside (messages, stored records) before anything trusts them.

/** What a field must be: a type by its name (`object` is never null), or a check of its own. */
export type Check = 'string' | 'number' | 'boolean' | 'object' | ((value: unknown) => boolean);

/** True if every field that `shape` names is what it says. Fields that it does not name are not looked at. */
export function fits(value: unknown, shape: Readonly<Record<string, Check>>): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return Object.entries(shape).every(([key, check]) => {
    const field = fields[key];
    return typeof check === 'string' ? typeof field === check && field !== null : check(field);
  });
}

/** A finite number, zero or more. */
export function isSize(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < Infinity;
}

/** A check for one of a closed list. */
export function oneOf(list: readonly unknown[]): (value: unknown) => boolean {
  return (value) => list.includes(value);
}
