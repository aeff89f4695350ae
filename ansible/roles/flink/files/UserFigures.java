package io.quintet.flink;

import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.ArgumentTrait;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;

/**
 * What is told of users: the minutes in which they did something, each as soon as it is known, and their sessions, events
 * that lie no further apart than a gap, when nothing can belong to them any more.
 *
 * <p>Sessions are those that {@code SESSION(TABLE …)} grouped by user and window gives. Its operator keeps windows, what is
 * in them and timers apart, and reads and writes each of them in RocksDB with every event: more than half of the processor
 * time of the whole stream. Here all that is kept of a user is one value, read and written once an event, and a timer is
 * set with the first event of a session only; when it goes off and the session has gone on, it is set for the new end.
 *
 * <p>The table is given without {@code on_time}: Flink 2.1 keeps rows at the watermark from a function that knows the time
 * of rows. As with windows, only what belongs to a session that is over is left out of sessions.
 *
 * <pre>
 *   user_figures_of(TABLE user_deeds PARTITION BY user_id, gap_minutes, DEFAULT, 'user-figures')
 * </pre>
 *
 * <p>A row has either a minute or a session; the columns of the other are empty.
 */
@DataTypeHint(
        "ROW<active_minute TIMESTAMP(3), begins_at TIMESTAMP(3), ends_at TIMESTAMP(3), page_views BIGINT,"
                + " cart_additions BIGINT, orders BIGINT, searches BIGINT, is_abandoned BOOLEAN>")
public final class UserFigures extends ProcessTableFunction<Row> {
    private static final long serialVersionUID = 1L;
    private static final long MINUTE = 60_000;

    /** What is kept of a user; nothing before the first event. */
    public static final class Kept {
        /** The numbers of each open session, one session after the other. */
        @DataTypeHint("ARRAY<BIGINT NOT NULL>")
        public long[] sessions;

        /** Beginnings of minutes in which there was an event, and in which there may be more. */
        @DataTypeHint("ARRAY<BIGINT NOT NULL>")
        public long[] minutes;
    }

    /** An event: its time for the watermark (happened_at), its time for people (sent_at), and what it counts for. */
    public void eval(
            Context context,
            @StateHint(name = "kept", ttl = "0 ms") Kept kept,
            @ArgumentHint(name = "events", value = ArgumentTrait.SET_SEMANTIC_TABLE) Row event,
            @ArgumentHint(name = "gap_minutes") Integer gapMinutes) {
        TimeContext<Long> time = context.timeContext(Long.class);
        Long known = time.currentWatermark();
        long watermark = known == null ? Long.MIN_VALUE : known;
        Session session = Session.of(event, gapMinutes * MINUTE);
        count(session.lastSent - Math.floorMod(session.lastSent, MINUTE), kept, watermark);

        List<Session> sessions = new ArrayList<>();
        boolean isNew = true;
        for (Session open : Session.read(kept.sessions)) {
            if (open.touches(session)) {
                session.add(open);
                isNew = false;
            } else {
                sessions.add(open);
            }
        }
        if (session.isOver(watermark)) {
            return;
        }
        if (isNew) {
            time.registerOnTime(session.ends);
        }
        sessions.add(session);
        kept.sessions = Session.write(sessions);
    }

    /** Tells the sessions that are over by now, for Flink takes no timer for a time that is past, and waits for the others. */
    public void onTimer(OnTimerContext context, Kept kept) {
        TimeContext<Long> time = context.timeContext(Long.class);
        List<Session> rest = new ArrayList<>();
        for (Session session : Session.read(kept.sessions)) {
            if (session.isOver(time.currentWatermark())) {
                collect(session.row());
            } else {
                time.registerOnTime(session.ends);
                rest.add(session);
            }
        }
        if (rest.isEmpty()) {
            context.clearAllState();
        } else {
            kept.sessions = Session.write(rest);
        }
    }

    /** Tells the first event of a minute. An event is never older than the watermark: minutes before it are over. */
    private void count(long minute, Kept kept, long watermark) {
        long[] told = kept.minutes == null ? new long[0] : kept.minutes;
        if (LongStream.of(told).anyMatch(known -> known == minute)) {
            return;
        }
        collect(Row.of(moment(minute), null, null, null, null, null, null, null));
        LongStream open = LongStream.of(told).filter(known -> known + MINUTE > watermark);
        kept.minutes = LongStream.concat(open, LongStream.of(minute)).toArray();
    }

    private static long millis(LocalDateTime moment) {
        return moment.toInstant(ZoneOffset.UTC).toEpochMilli();
    }

    private static LocalDateTime moment(long millis) {
        return LocalDateTime.ofInstant(Instant.ofEpochMilli(millis), ZoneOffset.UTC);
    }

    /** Times are milliseconds since 1970. */
    private static final class Session {
        private static final int NUMBERS = 9;

        private long begins;
        /** A gap after the last event: an event at this moment still belongs to it. */
        private long ends;
        private long lastSent;
        private long pageViews;
        private long cartAdditions;
        private long orders;
        private long searches;
        private long lastAdded;
        private long lastBought;

        static Session of(Row event, long gap) {
            Session session = new Session();
            session.begins = millis(event.getFieldAs("happened_at"));
            session.ends = session.begins + gap;
            session.lastSent = millis(event.getFieldAs("sent_at"));
            session.pageViews = event.<Integer>getFieldAs("page_views");
            session.cartAdditions = event.<Integer>getFieldAs("cart_additions");
            session.orders = event.<Integer>getFieldAs("orders");
            session.searches = event.<Integer>getFieldAs("searches");
            session.lastAdded = session.cartAdditions > 0 ? session.lastSent : Long.MIN_VALUE;
            session.lastBought = session.orders > 0 ? session.lastSent : Long.MIN_VALUE;
            return session;
        }

        static List<Session> read(long[] numbers) {
            List<Session> found = new ArrayList<>();
            for (int at = 0; numbers != null && at < numbers.length; at += NUMBERS) {
                Session session = new Session();
                session.begins = numbers[at];
                session.ends = numbers[at + 1];
                session.lastSent = numbers[at + 2];
                session.pageViews = numbers[at + 3];
                session.cartAdditions = numbers[at + 4];
                session.orders = numbers[at + 5];
                session.searches = numbers[at + 6];
                session.lastAdded = numbers[at + 7];
                session.lastBought = numbers[at + 8];
                found.add(session);
            }
            return found;
        }

        static long[] write(List<Session> sessions) {
            long[] numbers = new long[NUMBERS * sessions.size()];
            int at = 0;
            for (Session session : sessions) {
                long[] own = {
                    session.begins, session.ends, session.lastSent, session.pageViews, session.cartAdditions,
                    session.orders, session.searches, session.lastAdded, session.lastBought
                };
                System.arraycopy(own, 0, numbers, at, NUMBERS);
                at += NUMBERS;
            }
            return numbers;
        }

        boolean touches(Session other) {
            return begins <= other.ends && other.begins <= ends;
        }

        void add(Session other) {
            begins = Math.min(begins, other.begins);
            ends = Math.max(ends, other.ends);
            lastSent = Math.max(lastSent, other.lastSent);
            pageViews += other.pageViews;
            cartAdditions += other.cartAdditions;
            orders += other.orders;
            searches += other.searches;
            lastAdded = Math.max(lastAdded, other.lastAdded);
            lastBought = Math.max(lastBought, other.lastBought);
        }

        /** A watermark of this time says that no event at it comes any more. */
        boolean isOver(long watermark) {
            return ends <= watermark;
        }

        /** A cart is abandoned when something was put into it after the last order of the session. */
        Row row() {
            boolean isAbandoned = lastAdded > lastBought;
            return Row.of(
                    null, moment(begins), moment(lastSent), pageViews, cartAdditions, orders, searches, isAbandoned);
        }
    }
}
