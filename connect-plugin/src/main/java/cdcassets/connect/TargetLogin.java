package cdcassets.connect;

import java.sql.Connection;
import java.sql.Driver;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.ServiceLoader;
import org.apache.kafka.common.config.Config;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.sink.SinkConnector;

/**
 * Logs in to a sink's target when Connect is asked to validate a configuration, and does nothing else.
 *
 * <p>Debezium's JDBC sink finds nothing wrong with a wrong password or an address that does not answer until its task
 * starts. This class stands in the directory of that sink, so it logs in from the worker, with the sink's own drivers
 * and with the secrets that the worker resolves. No connector of it can be made.
 */
public final class TargetLogin extends SinkConnector {

    /** Grows with every change of what it takes or answers; cdc_assets asks for this one. */
    public static final String VERSION = "1";

    private static final String URL = "connection.url";
    private static final String USER = "connection.username";
    private static final String PASSWORD = "connection.password";

    private static final ConfigDef SETTINGS =
            new ConfigDef()
                    .define(URL, ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "The sink's JDBC URL.")
                    .define(USER, ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "The sink's user.")
                    .define(PASSWORD, ConfigDef.Type.PASSWORD, ConfigDef.Importance.HIGH, "The sink's password.");

    @Override
    public String version() {
        return VERSION;
    }

    @Override
    public ConfigDef config() {
        return SETTINGS;
    }

    @Override
    public Config validate(Map<String, String> settings) {
        Config found = super.validate(settings);
        List<ConfigValue> values = found.configValues();
        if (values.stream().allMatch(value -> value.errorMessages().isEmpty())) {
            String problem = problem(settings.get(URL), settings.get(USER), settings.get(PASSWORD));
            if (problem != null) {
                values.stream()
                        .filter(value -> value.name().equals(URL))
                        .forEach(value -> value.addErrorMessage(problem));
            }
        }
        return found;
    }

    @Override
    public void start(Map<String, String> settings) {
        throw new ConnectException("TargetLogin only validates; it moves nothing");
    }

    @Override
    public Class<? extends Task> taskClass() {
        throw new ConnectException("TargetLogin only validates; it has no task");
    }

    @Override
    public List<Map<String, String>> taskConfigs(int most) {
        return List.of();
    }

    @Override
    public void stop() {
        // It holds nothing.
    }

    /** Says why the login failed; null when it did not. */
    private static String problem(String url, String user, String password) {
        Properties login = new Properties();
        login.setProperty("user", user);
        login.setProperty("password", password);
        try {
            // Not by DriverManager: it knows no drivers of a plugin's directory.
            for (Driver driver : ServiceLoader.load(Driver.class, TargetLogin.class.getClassLoader())) {
                try (Connection connection = driver.connect(url, login)) {
                    if (connection != null) {
                        return null;
                    }
                }
            }
            return "beside the sink is no JDBC driver for it";
        } catch (SQLException error) {
            return error.getMessage();
        }
    }
}
