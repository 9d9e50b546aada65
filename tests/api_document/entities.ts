// Collex's entities, used as their types say, against a running server: SERVER and KEY say which.

import { Refused, client } from "./fetch.js";
import type { NewUserEntity, UserEntity, UserEntityChange } from "./mainstay.js";

const call = client(process.env["SERVER"]!, { "X-API-Key": process.env["KEY"]! });

const ada: NewUserEntity = { phone_number: "+49 30 1", last_name: "Lovelace", status: "active" };
const made: UserEntity = await call("POST /api/entities/users", { input: ada });
const change: UserEntityChange = { first_name: "Ada" };
const changed = await call("PATCH /api/entities/users/{id}", { path: { id: made.id }, input: change }, { "If-Match": '"1"' });
await call("POST /api/entities/user_activities", { input: { user_id: made.id, activity_type: "login" } });
const page = await call("GET /api/entities/user_activities", { query: { expand: ["user"], activity_type: "login" } });
console.log(changed.version, page.data[0]?.user?.first_name);
try {
  await call("POST /api/entities/users", { input: ada });
} catch (error) {
  console.log(error instanceof Refused && error.problem.fields?.[0]?.field);
}

export async function wrong(): Promise<void> {
  // @ts-expect-error: a user needs a telephone number
  const incomplete: NewUserEntity = { last_name: "Lovelace" };
  // @ts-expect-error: there is no such status
  const unknown: UserEntityChange = { status: "gone" };
  // @ts-expect-error: there is no such reference
  await call("GET /api/entities/users", { query: { expand: ["boss"] } });
  console.log(incomplete, unknown);
}
