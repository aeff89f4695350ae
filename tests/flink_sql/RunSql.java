package io.quintet.flink;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Runs the statements of one job in this process until a line comes in, then stops it with a savepoint, so that whatever is
 * on its way to a sink arrives there.
 *
 * <pre>
 *   RunSql (settings, a line each) (statements, with a zero byte between two) (folder of the savepoint)
 * </pre>
 */
public final class RunSql {
    private static final Pattern SETTING = Pattern.compile("SET '([^']+)' = '([^']*)'");

    private RunSql() {}

    public static void main(String[] given) throws Exception {
        Configuration configuration = new Configuration();
        for (String line : Files.readAllLines(Path.of(given[0]))) {
            String[] pair = line.split(": ", 2);
            configuration.setString(pair[0], pair[1]);
        }
        TableEnvironment tables = TableEnvironment.create(
                EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(configuration).build());
        JobClient job = null;
        for (String statement : Files.readString(Path.of(given[1])).split("\u0000")) {
            Matcher setting = SETTING.matcher(statement);
            if (setting.matches()) {
                tables.getConfig().set(setting.group(1), setting.group(2));
            } else {
                job = tables.executeSql(statement).getJobClient().orElse(null);
            }
        }
        JobClient started = job;
        started.getJobExecutionResult().exceptionally(error -> {
            error.printStackTrace();
            System.exit(1);
            return null;
        });
        System.in.read();
        started.stopWithSavepoint(false, given[2], SavepointFormatType.NATIVE).get();
        System.exit(0);
    }
}
