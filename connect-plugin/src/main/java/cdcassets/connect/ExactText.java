package cdcassets.connect;

import io.debezium.connector.postgresql.PostgresValueConverter;
import io.debezium.data.SpecialValueDecimal;
import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.SignStyle;
import java.time.temporal.ChronoField;
import java.util.HashSet;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.errors.DataException;
import org.postgresql.jdbc.PgArray;
import org.postgresql.util.PGobject;

/**
 * Sends the columns it is given as the text that PostgreSQL reads back as the very same value.
 *
 * <p>The connector hands over what it has made of the server's text: a Double, a LocalDate, an array of the driver. What
 * JSON or Debezium's own conversion would change (NaN, infinity, lists of lists) is still whole in it. A kind of object
 * that is not known here ends the task, it is never guessed.
 *
 * <p>Setting {@code columns}: {@code schema.table/column}, both parts percent-encoded, separated by commas.
 */
public class ExactText implements CustomConverter<SchemaBuilder, RelationalColumn> {

    /**
     * The sink looks for a type by the schema's name before it looks at what the column was on the source, and would
     * cast to that one; by this name it finds plain text.
     */
    private static final String PLAIN_TEXT = "STRING";

    private static final DateTimeFormatter DATE = new DateTimeFormatterBuilder()
            .appendValue(ChronoField.YEAR_OF_ERA, 4, 10, SignStyle.NEVER)
            .appendPattern("-MM-dd")
            .toFormatter(Locale.ROOT);
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSSSSS", Locale.ROOT);

    private final Set<String> columns = new HashSet<>();

    @Override
    public void configure(Properties settings) {
        String listed = settings.getProperty("columns", "");
        if (listed.isEmpty()) {
            throw new DataException("the setting 'columns' of the converter is missing");
        }
        for (String column : listed.split(",")) {
            int slash = column.indexOf('/');
            columns.add(name(decode(column.substring(0, slash)), decode(column.substring(slash + 1))));
        }
    }

    @Override
    public void converterFor(RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
        if (columns.contains(name(column.dataCollection(), column.name()))) {
            Object byDefault = column.hasDefaultValue() ? column.defaultValue() : null;
            registration.register(SchemaBuilder.string().name(PLAIN_TEXT), value -> {
                String text = text(value);
                if (text != null || value == null) {
                    return text;
                }
                // The schema tells a default, in another class than any value has; nobody uses it.
                if (value == byDefault) {
                    return String.valueOf(value);
                }
                throw new DataException("no text is known for " + value.getClass().getName() + " in "
                        + column.dataCollection() + "." + column.name() + " (" + column.typeExpression() + ")");
            });
        }
    }

    /** The text of a value; null for null and for what is not known. */
    static String text(Object value) {
        if (value instanceof String || value instanceof Double || value instanceof Float || value instanceof PgArray) {
            // An array that was made of text returns this text.
            return value.toString();
        }
        if (value instanceof SpecialValueDecimal decimal) {
            return decimal.getDecimalValue().isPresent() ? decimal.toString() : String.valueOf(decimal.toDouble());
        }
        if (value instanceof PGobject object) {
            return object.getValue();
        }
        if (value instanceof LocalDate date) {
            return text(date);
        }
        if (value instanceof Instant instant) {
            // By identity: a timestamp of the year 294247 equals what stands for infinity.
            if (instant == PostgresValueConverter.POSITIVE_INFINITY_INSTANT) {
                return "infinity";
            }
            if (instant == PostgresValueConverter.NEGATIVE_INFINITY_INSTANT) {
                return "-infinity";
            }
            LocalDateTime time = LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
            return time(time) + era(time.getYear());
        }
        if (value instanceof OffsetDateTime time) {
            return text(time);
        }
        return null;
    }

    private static String text(LocalDate date) {
        if (date.equals(PostgresValueConverter.POSITIVE_INFINITY_LOCAL_DATE)) {
            return "infinity";
        }
        if (date.equals(PostgresValueConverter.NEGATIVE_INFINITY_LOCAL_DATE)) {
            return "-infinity";
        }
        return DATE.format(date) + era(date.getYear());
    }

    private static String text(OffsetDateTime time) {
        if (time.equals(PostgresValueConverter.POSITIVE_INFINITY_OFFSET_DATE_TIME)) {
            return "infinity";
        }
        if (time.equals(PostgresValueConverter.NEGATIVE_INFINITY_OFFSET_DATE_TIME)) {
            return "-infinity";
        }
        OffsetDateTime utc = time.withOffsetSameInstant(ZoneOffset.UTC);
        return time(utc.toLocalDateTime()) + "+00:00" + era(utc.getYear());
    }

    /** With a T where ISO 8601 knows the year: SQL Server reads that one form whatever its language is. */
    private static String time(LocalDateTime time) {
        boolean isInIso = time.getYear() >= 1 && time.getYear() <= 9999;
        return DATE.format(time) + (isInIso ? 'T' : ' ') + TIME.format(time);
    }

    private static String era(int year) {
        return year > 0 ? "" : " BC";
    }

    private static String name(String table, String column) {
        return table + "/" + column;
    }

    private static String decode(String part) {
        return URLDecoder.decode(part, StandardCharsets.UTF_8);
    }
}
