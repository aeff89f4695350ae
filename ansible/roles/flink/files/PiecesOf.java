package io.quintet.flink;

import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.types.Row;

/**
 * How many pieces the lines of an order are: the sum of their quantities, 0 without lines.
 *
 * <p>SQL can say it with {@code UNNEST}, but then the planner takes no two uses of a view for the same one, and computes
 * everything behind it once for each sink.
 */
public final class PiecesOf extends ScalarFunction {
    private static final long serialVersionUID = 1L;

    /** Sum of the quantities. */
    public long eval(
            @DataTypeHint("ARRAY<ROW<product_id BIGINT, quantity INT, unit_price DECIMAL(12, 2)>>") Row[] lines) {
        long pieces = 0;
        for (Row line : lines) {
            pieces += (Integer) line.getField(1);
        }
        return pieces;
    }
}
