// A client as one would write it on top of `mainstay types`, so that the compiler shows what the types are good for:
// each line below either compiles, or is expected not to.

import type { ApiKeyWithKey, Endpoints, NewTeam, Page, Team, TeamChange, User } from "./mainstay";

type Name = keyof Endpoints;
type Part<Key extends string, Endpoint> = Endpoint extends Record<Key, infer Value> ? { [key in Key]: Value } : unknown;
type Optional<Key extends string, Endpoint> = Endpoint extends Record<Key, infer Value> ? { [key in Key]?: Value } : unknown;
type Arguments<Endpoint> = Part<"path", Endpoint> & Optional<"query", Endpoint> & Part<"input", Endpoint>;

declare function call<Key extends Name>(name: Key, given: Arguments<Endpoints[Key]>): Promise<Endpoints[Key]["output"]>;

export async function use(): Promise<void> {
  const made: Team = await call("POST /api/teams", { input: { name: "Platform", slug: "platform" } });
  const page: Page<Team> = await call("GET /api/teams", { query: { name__contains: "form", sort: "-name", limit: 10 } });
  const next: string | null = page.page.next_cursor;
  const change: TeamChange = { name: "Platform team" };
  const changed = await call("PATCH /api/teams/{id}", { path: { id: made.id }, input: change });
  const key: ApiKeyWithKey = await call("POST /api/api-keys", { input: { name: "ci", permissions: ["read:*"] } });
  const nothing: undefined = await call("DELETE /api/teams/{id}", { path: { id: changed.id } });
  const users = await call("GET /api/users", { query: { role__in: ["ADMIN", "USER"], "metadata.team": "platform" } });
  const phone: string | null | undefined = users.data[0]?.phone_number;
  const role: User["role"] = (await call("GET /api/auth/me", {})).role;
  const few: Pick<Team, "id" | "name">[] = page.data;
  console.log(next, key.key, nothing, phone, role, few);

  // @ts-expect-error: a team needs a slug
  const incomplete: NewTeam = { name: "Platform" };
  // @ts-expect-error: its creator is set by mainstay
  const assigned: NewTeam = { name: "Platform", slug: "platform", created_by: made.id };
  // @ts-expect-error: there is no such role
  const unknown: User["role"] = "OWNER";
  // @ts-expect-error: a telephone number may be missing
  const number: string = users.data[0]!.phone_number;
  // @ts-expect-error: the path needs an id
  await call("DELETE /api/teams/{id}", {});
  // @ts-expect-error: there is no such filter
  await call("GET /api/teams", { query: { colour: "red" } });
  // @ts-expect-error: there is no such endpoint
  await call("GET /api/nothing", {});
  console.log(incomplete, assigned, unknown, number);
}
