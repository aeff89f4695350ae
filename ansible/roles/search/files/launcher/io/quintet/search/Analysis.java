package io.quintet.search;

import java.util.List;
import java.util.Map;
import org.apache.lucene.analysis.th.ThaiTokenizer;
import org.opensearch.analysis.common.CommonAnalysisModulePlugin;
import org.opensearch.index.analysis.AnalyzerProvider;
import org.opensearch.index.analysis.PreBuiltAnalyzerProviderFactory;
import org.opensearch.index.analysis.TokenizerFactory;
import org.opensearch.indices.analysis.AnalysisModule.AnalysisProvider;

/**
 * The analysers of the server, without Thai where this Java cannot divide it into words.
 *
 * <p>Every index builds all analysers: without this, none could be made on a Java that has few languages.
 */
public final class Analysis extends CommonAnalysisModulePlugin {

    private static final String THAI = "thai";

    @Override
    public Map<String, AnalysisProvider<AnalyzerProvider<?>>> getAnalyzers() {
        return without(super.getAnalyzers());
    }

    @Override
    public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return without(super.getTokenizers());
    }

    @Override
    public List<PreBuiltAnalyzerProviderFactory> getPreBuiltAnalyzerProviderFactories() {
        List<PreBuiltAnalyzerProviderFactory> all = super.getPreBuiltAnalyzerProviderFactories();
        all.removeIf(one -> !ThaiTokenizer.DBBI_AVAILABLE && THAI.equals(one.getName()));
        return all;
    }

    private static <T> Map<String, T> without(Map<String, T> all) {
        if (!ThaiTokenizer.DBBI_AVAILABLE) {
            all.remove(THAI);
        }
        return all;
    }
}
