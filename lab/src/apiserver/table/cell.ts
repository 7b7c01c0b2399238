import { isObject, type Json, stringifyJson } from "../json.ts";
import type { Column } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { findPath } from "./jsonpath.ts";

type Cell = string | number | bigint | boolean | null;

export function cellOf(column: Column, object: KubeObject, now: number): Cell {
  if (column.cell) return column.cell(object, now);
  const value = findPath(object, column.jsonPath ?? "")[0];
  if (value === undefined || value === null) return column.name === "Age" ? "<unknown>" : null;
  switch (column.type) {
    case "date":
      return typeof value === "string" ? age(value, now) : "<unknown>";
    case "integer":
    case "number":
      return typeof value === "number" || typeof value === "bigint" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "string":
      return typeof value === "string" ? value : printed(value);
  }
}

const printed = (value: Json): string =>
  isObject(value) || Array.isArray(value) ? stringifyJson(value) : String(value);

/** How long ago, as kubectl prints it: `5s`, `3m10s`, `4d3h`. */
export function age(timestamp: string | undefined | null, now: number): string {
  if (!timestamp) return "<unknown>";
  const milliseconds = now - Date.parse(timestamp);
  if (Number.isNaN(milliseconds)) return "<invalid>";
  return duration(milliseconds);
}

/** k8s.io/apimachinery's HumanDuration. */
export function duration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 192) return pair(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  const years = Math.trunc(days / 365);
  return days < 8 * 365 ? pair(years, "y", days % 365, "d") : `${years}y`;
}

const pair = (a: number, unitA: string, b: number, unitB: string): string =>
  b === 0 ? `${a}${unitA}` : `${a}${unitA}${b}${unitB}`;
