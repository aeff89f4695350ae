package io.quintet.search;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.opensearch.Version;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

/**
 * One node of OpenSearch, with its modules and plugins from the class path.
 *
 * <p>The server's jars are published without what starts it: the distribution's program loads plugins from folders of a
 * layout that only its archive has. Arguments: the folder of the configuration, the folder of the program.
 */
public final class SearchNode extends Node {

    /** Seconds that open requests get when the node is ended. */
    private static final int LAST_SECONDS = 30;

    private static final List<String> PLUGINS = List.of(
        "org.opensearch.transport.Netty4ModulePlugin",
        "io.quintet.search.Analysis",
        "org.opensearch.painless.PainlessModulePlugin",
        "org.opensearch.index.reindex.ReindexModulePlugin",
        "org.opensearch.script.expression.ExpressionModulePlugin",
        "org.opensearch.script.mustache.MustacheModulePlugin",
        "org.opensearch.ingest.common.IngestCommonModulePlugin",
        "org.opensearch.ingest.useragent.IngestUserAgentModulePlugin",
        "org.opensearch.index.mapper.MapperExtrasModulePlugin",
        "org.opensearch.join.ParentJoinModulePlugin",
        "org.opensearch.percolator.PercolatorModulePlugin",
        "org.opensearch.index.rankeval.RankEvalModulePlugin",
        "org.opensearch.search.aggregations.matrix.MatrixAggregationModulePlugin",
        "org.opensearch.geo.GeoModulePlugin",
        "org.opensearch.plugin.repository.url.URLRepositoryModulePlugin",
        "org.opensearch.security.OpenSearchSecurityPlugin",
        "org.opensearch.knn.plugin.KNNPlugin");

    private SearchNode(Environment environment) {
        super(environment, PLUGINS.stream().map(SearchNode::described).toList(), true);
    }

    /** Runs the node until the process is asked to end. */
    public static void main(String[] arguments) {
        try {
            run(Path.of(arguments[0]), arguments[1]);
        } catch (Exception | LinkageError error) {
            // Threads of a half-started node would keep the process.
            error.printStackTrace();
            System.exit(1);
        }
    }

    private static void run(Path configuration, String home) throws Exception {
        Settings given = Settings.builder().put("path.home", home).build();
        LogConfigurator.registerErrorListener();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(given, Map.of(), configuration, () -> "node");
        LogConfigurator.setNodeName(Node.NODE_NAME_SETTING.get(environment.settings()));
        LogConfigurator.configure(environment);
        SearchNode node = new SearchNode(environment);
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(node, ended), "end"));
        node.start();
        ended.await();
    }

    private static void end(Node node, CountDownLatch ended) {
        try {
            node.close();
            node.awaitClose(LAST_SECONDS, TimeUnit.SECONDS);
        } catch (IOException | InterruptedException error) {
            error.printStackTrace();
        } finally {
            ended.countDown();
        }
    }

    private static PluginInfo described(String name) {
        String java = Integer.toString(Runtime.version().feature());
        return new PluginInfo(name, "on the class path", "NA", Version.CURRENT, java, name, List.of(), false);
    }
}
