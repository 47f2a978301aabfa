import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs command line tools one after the other in one JVM. Each line of standard input is a class and its arguments, separated by tabs.
 * The answer is what the tool printed, each line behind a bar, and then its exit status behind "= ".
 */
public class Toolbox {
    /** A tool leaves. Some catch even this, and leave again: only the first time counts. */
    private static final class Left extends Error {
        Left() {
            super(null, null, false, false);
        }
    }

    /** The status with which the running tool left; null as long as it has not. */
    private static Integer left;

    private static void leave(int status) {
        if (left == null) left = status;
        System.setOut(new PrintStream(OutputStream.nullOutputStream()));
        System.setErr(System.out);
        throw new Left();
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        System.setIn(InputStream.nullInputStream());
        Exit.setExitProcedure((status, message) -> leave(status));
        Exit.setHaltProcedure((status, message) -> leave(status));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            PrintStream heard = new PrintStream(said, true, StandardCharsets.UTF_8);
            System.setOut(heard);
            System.setErr(heard);
            left = null;
            int status = run(line.split("\t"));
            for (String one : said.toString(StandardCharsets.UTF_8).split("\n")) out.println("|" + one);
            out.println("= " + status);
        }
        Runtime.getRuntime().halt(0);
    }

    private static int run(String[] words) {
        try {
            Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
            return left == null ? 0 : left;
        } catch (InvocationTargetException wrapped) {
            if (left != null) return left;
            System.out.println(wrapped.getCause());
            return 1;
        } catch (ReflectiveOperationException failure) {
            System.out.println(failure);
            return 127;
        }
    }
}
