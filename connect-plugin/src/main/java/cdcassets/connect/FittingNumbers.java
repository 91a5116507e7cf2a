package cdcassets.connect;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.components.Versioned;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * In a sink whose target knows neither NaN nor numbers of any length: makes numbers of the text that {@link ExactText}
 * sent, and stops the task at one that the target's column cannot hold, where it would be rounded or become NULL.
 *
 * <p>Setting {@code columns}: {@code column:real}, {@code column:float} or {@code column:decimal:precision:scale}, the
 * name percent-encoded, separated by commas. Columns of the key, of the row before and of the row after are changed.
 */
public final class FittingNumbers implements Transformation<SinkRecord>, Versioned {

    private static final String COLUMNS = "columns";
    private static final int MOST_SCHEMAS = 64;

    private final Map<String, Number> columns = new HashMap<>();
    private final Map<Schema, Schema> schemas = new IdentityHashMap<>();

    /** What a column of the target holds. */
    private sealed interface Number {
        SchemaBuilder schema();

        Object parse(String text);
    }

    private record Floating(boolean isDouble) implements Number {
        @Override
        public SchemaBuilder schema() {
            return isDouble ? SchemaBuilder.float64() : SchemaBuilder.float32();
        }

        @Override
        public Object parse(String text) {
            if (isDouble) {
                double number = Double.parseDouble(text);
                return Double.isFinite(number) ? number : null;
            }
            float number = Float.parseFloat(text);
            return Float.isFinite(number) ? number : null;
        }
    }

    private record Fixed(int precision, int scale) implements Number {
        @Override
        public SchemaBuilder schema() {
            return Decimal.builder(scale);
        }

        @Override
        public Object parse(String text) {
            try {
                BigDecimal number = new BigDecimal(text).setScale(scale, RoundingMode.UNNECESSARY);
                return number.precision() <= precision ? number : null;
            } catch (ArithmeticException | NumberFormatException error) {
                return null;
            }
        }
    }

    @Override
    public String version() {
        return ExactTextOffered.VERSION;
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef().define(COLUMNS, ConfigDef.Type.LIST, ConfigDef.Importance.HIGH, "Columns and their types");
    }

    @Override
    public void configure(Map<String, ?> settings) {
        for (String entry : ((String) settings.get(COLUMNS)).split(",")) {
            String[] parts = entry.trim().split(":");
            Number number = switch (parts[1]) {
                case "real" -> new Floating(false);
                case "float" -> new Floating(true);
                case "decimal" -> new Fixed(Integer.parseInt(parts[2]), Integer.parseInt(parts[3]));
                default -> throw new DataException("no such type: " + parts[1]);
            };
            columns.put(URLDecoder.decode(parts[0], StandardCharsets.UTF_8), number);
        }
    }

    @Override
    public SinkRecord apply(SinkRecord record) {
        Object key = record.key() instanceof Struct struct ? row(struct) : record.key();
        Object value = record.value() instanceof Struct struct ? event(struct) : record.value();
        return record.newRecord(
                record.topic(),
                record.kafkaPartition(),
                key instanceof Struct struct ? struct.schema() : record.keySchema(),
                key,
                value instanceof Struct struct ? struct.schema() : record.valueSchema(),
                value,
                record.timestamp(),
                record.headers());
    }

    @Override
    public void close() {
        schemas.clear();
    }

    /** The event with its rows changed; the rest of it stays. */
    private Struct event(Struct event) {
        Struct made = new Struct(schema(event.schema(), true));
        for (Field field : event.schema().fields()) {
            Object value = event.getWithoutDefault(field.name());
            made.put(field.name(), isRow(field) && value instanceof Struct row ? row(row) : value);
        }
        return made;
    }

    private Struct row(Struct row) {
        Struct made = new Struct(schema(row.schema(), false));
        for (Field field : row.schema().fields()) {
            Number number = numberOf(field);
            // NULL in a column that has a default is NULL.
            Object value = row.getWithoutDefault(field.name());
            made.put(field.name(), number == null || value == null ? value : fitting(field.name(), number, value));
        }
        return made;
    }

    private static Object fitting(String column, Number number, Object value) {
        Object found = number.parse((String) value);
        if (found == null) {
            // Without the value: whoever sees the trace need not see rows.
            throw new DataException("column " + column + " has a number that the target cannot hold as it is (" + number
                    + "): the table is stopped before it arrives as something else");
        }
        return found;
    }

    private Schema schema(Schema from, boolean isEvent) {
        Schema known = schemas.get(from);
        if (known != null) {
            return known;
        }
        SchemaBuilder made = SchemaBuilder.struct().name(from.name()).version(from.version());
        if (from.isOptional()) {
            made.optional();
        }
        for (Field field : from.fields()) {
            Number number = isEvent ? null : numberOf(field);
            if (number != null) {
                made.field(field.name(), number(number, field.schema()));
            } else {
                made.field(field.name(), isEvent && isRow(field) ? schema(field.schema(), false) : field.schema());
            }
        }
        if (schemas.size() >= MOST_SCHEMAS) {
            schemas.clear();
        }
        Schema built = made.build();
        schemas.put(from, built);
        return built;
    }

    private static Schema number(Number number, Schema from) {
        SchemaBuilder made = number.schema();
        if (from.parameters() != null) {
            from.parameters().forEach(made::parameter);
        }
        return from.isOptional() ? made.optional().build() : made.build();
    }

    /** What a column is to be; null for one that was sent as a number already, before the converter was there. */
    private Number numberOf(Field field) {
        return field.schema().type() == Schema.Type.STRING ? columns.get(field.name()) : null;
    }

    private static boolean isRow(Field field) {
        return field.name().equals("before") || field.name().equals("after");
    }
}
