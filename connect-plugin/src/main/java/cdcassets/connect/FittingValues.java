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
 * sent, and stops the task at one that the target's column cannot hold, where it would be rounded or become NULL. And
 * it stops at a key that ends in a blank, which the target takes for the key without it: another row's.
 *
 * <p>Setting {@code columns}: {@code column:real}, {@code column:float}, {@code column:decimal:precision:scale} or
 * {@code column:key}, the name percent-encoded, separated by commas. Columns of the key, of the row before and of the row
 * after are looked at.
 */
public final class FittingValues implements Transformation<SinkRecord>, Versioned {

    private static final String COLUMNS = "columns";
    private static final int MOST_SCHEMAS = 64;

    private final Map<String, Column> columns = new HashMap<>();
    private final Map<Schema, Schema> schemas = new IdentityHashMap<>();

    /** What a column of the target holds; of the text that was sent it makes null where it holds no such value. */
    private sealed interface Column {
        Schema schema(Schema sent);

        Object parse(String text);
    }

    private record Floating(boolean isDouble) implements Column {
        @Override
        public Schema schema(Schema sent) {
            return number(isDouble ? SchemaBuilder.float64() : SchemaBuilder.float32(), sent);
        }

        @Override
        public Object parse(String text) {
            if (isDouble) {
                double number = Double.parseDouble(text);
                return Double.isFinite(number) && (number == 0 || Math.abs(number) >= Double.MIN_NORMAL) ? number : null;
            }
            float number = Float.parseFloat(text);
            return Float.isFinite(number) && (number == 0 || Math.abs(number) >= Float.MIN_NORMAL) ? number : null;
        }
    }

    private record Fixed(int precision, int scale) implements Column {
        @Override
        public Schema schema(Schema sent) {
            return number(Decimal.builder(scale), sent);
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

    private record Key() implements Column {
        @Override
        public Schema schema(Schema sent) {
            return sent;
        }

        @Override
        public Object parse(String text) {
            return text.endsWith(" ") ? null : text;
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
            Column column = switch (parts[1]) {
                case "real" -> new Floating(false);
                case "float" -> new Floating(true);
                case "decimal" -> new Fixed(Integer.parseInt(parts[2]), Integer.parseInt(parts[3]));
                case "key" -> new Key();
                default -> throw new DataException("no such type: " + parts[1]);
            };
            columns.put(URLDecoder.decode(parts[0], StandardCharsets.UTF_8), column);
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
            Column column = columnOf(field);
            // NULL in a column that has a default is NULL.
            Object value = row.getWithoutDefault(field.name());
            made.put(field.name(), column == null || value == null ? value : fitting(field.name(), column, value));
        }
        return made;
    }

    private static Object fitting(String name, Column column, Object value) {
        Object found = column.parse((String) value);
        if (found == null) {
            // Without the value: whoever sees the trace need not see rows.
            throw new DataException("column " + name + " has a value that the target cannot hold as it is (" + column
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
            Column column = isEvent ? null : columnOf(field);
            if (column != null) {
                made.field(field.name(), column.schema(field.schema()));
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

    private static Schema number(SchemaBuilder made, Schema sent) {
        if (sent.parameters() != null) {
            sent.parameters().forEach(made::parameter);
        }
        return sent.isOptional() ? made.optional().build() : made.build();
    }

    /** What a column is to be; null for one that was sent as a number already, before the converter was there. */
    private Column columnOf(Field field) {
        return field.schema().type() == Schema.Type.STRING ? columns.get(field.name()) : null;
    }

    private static boolean isRow(Field field) {
        return field.name().equals("before") || field.name().equals("after");
    }
}
