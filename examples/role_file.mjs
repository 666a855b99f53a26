// A job that looks at its role file before each step: does it lead, and for how long still?
//
//   coordsidecar --name ledger --role-file /tmp/ledger.role -- node examples/role_file.mjs /tmp/ledger
//
// The limit in the file is on CLOCK_BOOTTIME, which nobody can set and which goes on while the host
// sleeps. /proc/uptime shows that clock. (Not in containers where lxcfs puts its own file there.)
// The limit keeps us from beginning what we cannot finish. It is no proof: a process that is frozen
// after this look acts once more when it wakes. Only a receiver that compares tokens stops that.

import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const STEP_S = 0.5; // The longest that one step may take.
const ledger = process.argv[2];

function mayBegin(role) {
  if (role.role !== "leader") return false;
  if (role.run_until_boottime_s === null) return true; // A lock file, which does not expire.
  const boottimeS = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return role.run_until_boottime_s - boottimeS > STEP_S;
}

for (;;) {
  const role = JSON.parse(readFileSync(process.env.COORDSIDECAR_ROLE_FILE, "utf8"));
  if (mayBegin(role)) {
    appendFileSync(ledger, `token ${role.token}, pid ${process.pid}\n`); // The step.
  } else {
    console.log(`not now: ${role.role}`);
  }
  await sleep(200);
}
