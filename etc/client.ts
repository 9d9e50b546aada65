// A client of mainstay's API, of what `mainstay types > mainstay.ts` says about it and `fetch`: path, query, body and reply
// of every endpoint are checked by the compiler. Copy it, and make of it what you need.

import type { Endpoints } from "./mainstay.js";

type Name = keyof Endpoints;
type Part<Key extends string, Endpoint> = Endpoint extends Record<Key, infer Value> ? { [key in Key]: Value } : unknown;
type Optional<Key extends string, Endpoint> = Endpoint extends Record<Key, infer Value> ? { [key in Key]?: Value } : unknown;
export type Arguments<Endpoint> = Part<"path", Endpoint> & Optional<"query", Endpoint> & Part<"input", Endpoint>;

/** What the server said instead of doing it. */
export class Refused extends Error {
  constructor(readonly problem: { status: number; code: string; detail: string; fields?: { field: string; message: string }[] }) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

export function client(server: string, headers: Record<string, string>) {
  return async function call<Key extends Name>(
    name: Key,
    given: Arguments<Endpoints[Key]>,
    more: Record<string, string> = {},
  ): Promise<Endpoints[Key]["output"]> {
    const { path, query, input } = given as { path?: Record<string, string>; query?: Record<string, unknown>; input?: unknown };
    const [method, template] = name.split(" ") as [string, string];
    const url = new URL(template.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(path?.[key] ?? "")), server);
    for (const [key, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const body = input === undefined ? {} : { body: JSON.stringify(input) };
    const reply = await fetch(url, { method, headers: { "Content-Type": "application/json", ...headers, ...more }, ...body });
    const text = await reply.text();
    if (!reply.ok) throw new Refused(JSON.parse(text));
    return (text === "" ? undefined : JSON.parse(text)) as Endpoints[Key]["output"];
  };
}
