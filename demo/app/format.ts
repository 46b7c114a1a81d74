// Numbers and names as people read them. Pure: no platform, no state.

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Decimal units as file managers show them: three significant digits at most, never "1000 kB". */
export function formatBytes(sizeBytes: number): string {
  let value = Math.max(0, sizeBytes);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

export function formatSpeed(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** "4 s", "12 min", "2 h 5 min": as exact as such an estimate deserves. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.ceil(durationMs / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** Whole per cent, and 100 only when every byte is there. */
export function percentOf(part: number, whole: number): number {
  if (whole <= 0) return 0;
  return part >= whole ? 100 : Math.min(99, Math.floor((part / whole) * 100));
}

/** What a placeholder shows for a picture that cannot be drawn: "HEIC", "MP4". */
export function extensionOf(name: string, type: string): string {
  const fromName = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1];
  const fromType = /^[a-z]+\/(?:x-)?([a-z0-9]{1,5})/i.exec(type)?.[1];
  return (fromName ?? fromType ?? 'file').toUpperCase();
}

/**
 * A name in two pieces, so that CSS can put the ellipsis between them and the number and extension stay readable.
 * The tail is ASCII only: cutting inside other scripts can break joined letters.
 */
export function splitName(name: string): { readonly head: string; readonly tail: string } {
  const tail = /[!-~]{0,9}$/.exec(name)?.[0] ?? '';
  return tail.length === name.length || tail.length < 4
    ? { head: name, tail: '' }
    : { head: name.slice(0, -tail.length), tail };
}

/** Same-file identity as the gallery and the thumbnail store use it. */
export function pictureKey(file: {
  readonly name: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
}): string {
  return `${file.name}-${file.sizeBytes}-${file.lastModifiedMs}`;
}
