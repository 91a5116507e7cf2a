package cdcassets.connect;

import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.components.Versioned;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Shows through Connect's REST interface that a worker has the converter, in which version.
 *
 * <p>Converters of columns are no plugins to Connect, so it does not list them; predicates are. This one is listed only
 * where the converter can be loaded: in the directory of the PostgreSQL connector. It is not for use.
 */
public final class ExactTextOffered extends ExactText implements Predicate<SourceRecord>, Versioned {

    /** Grows with every change of what the converter takes or writes; cdc_assets asks for this one. */
    public static final String VERSION = "3";

    @Override
    public String version() {
        return VERSION;
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    @Override
    public boolean test(SourceRecord record) {
        return true;
    }

    @Override
    public void configure(Map<String, ?> settings) {
        // There are none.
    }

    @Override
    public void close() {
        // It holds nothing.
    }
}
