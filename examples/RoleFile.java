// A job that looks at its role file before each step: does it lead, and for how long still?
//
//   coordsidecar --name ledger --role-file /tmp/ledger.role -- java examples/RoleFile.java /tmp/ledger
//
// The limit in the file is on CLOCK_BOOTTIME, which nobody can set and which goes on while the host
// sleeps. /proc/uptime shows that clock. It keeps us from beginning what we cannot finish. It is no
// proof: a process that is frozen after this look acts once more when it wakes. Only a receiver that
// compares tokens stops that.

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class RoleFile {
    static final double STEP_S = 0.5; // The longest that one step may take.

    public static void main(String[] words) throws IOException, InterruptedException {
        Path ledger = Path.of(words[0]);
        Path roleFile = Path.of(System.getenv("COORDSIDECAR_ROLE_FILE"));
        while (true) {
            String role = Files.readString(roleFile);
            if (mayBegin(role)) {
                String entry = "token " + field(role, "token") + ", pid " + ProcessHandle.current().pid();
                Files.writeString(ledger, entry + "\n", // The step.
                        StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            } else {
                System.out.println("not now: " + field(role, "role"));
            }
            Thread.sleep(200);
        }
    }

    static boolean mayBegin(String role) throws IOException {
        if (!field(role, "role").equals("leader")) return false;
        String until = field(role, "run_until_boottime_s");
        if (until.equals("null")) return true; // A lock file, which does not expire.
        double boottimeS = Double.parseDouble(Files.readString(Path.of("/proc/uptime")).split(" ")[0]);
        return Double.parseDouble(until) - boottimeS > STEP_S;
    }

    /** The file is flat JSON; a real job has a parser at hand. */
    static String field(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\": *\"?([^\",}]*)").matcher(json);
        if (!found.find()) throw new IllegalStateException("the role file has no " + name);
        return found.group(1).strip();
    }
}
