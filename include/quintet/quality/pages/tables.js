// What the pages of Great Expectations ask of bootstrap-table: rows from data, sorting by a click on a heading, a search
// field over all columns, rows that are links.
(function ($) {
  "use strict";

  const YES = /^true$/i;

  function compare(one, other) {
    const numbers = [Number(one), Number(other)];
    return numbers.some(Number.isNaN) || one === "" || other === ""
      ? String(one).localeCompare(String(other), undefined, { numeric: true })
      : numbers[0] - numbers[1];
  }

  function sort($table, place, ascending) {
    const value = (row) => {
      const $cell = $(row.cells[place]);
      // An icon has no text: its class says what it means.
      return $cell.attr("data-sort") ?? ($cell.text().trim() || $cell.html().trim());
    };
    const $body = $table.children("tbody");
    const rows = $body.children("tr").get();
    rows.sort((one, other) => compare(value(one), value(other)) * (ascending ? 1 : -1));
    $body.append(rows);
    const $heads = $table.children("thead").find("th.sortable").removeAttr("aria-sort");
    $heads.filter((_, head) => head.cellIndex === place).attr("aria-sort", ascending ? "ascending" : "descending");
  }

  function canSort($table) {
    $table.children("thead").on("click", "th.sortable", function () {
      sort($table, this.cellIndex, $(this).attr("aria-sort") !== "ascending");
    });
  }

  function search($table, text) {
    const wanted = text.toLowerCase();
    $table
      .children("tbody")
      .children("tr")
      .each((_, row) => $(row).toggle($(row).text().toLowerCase().includes(wanted)));
  }

  function canSearch($table, toolbar) {
    const $field = $("<input>", { type: "search", class: "form-control form-control-sm table-search" });
    $field.attr({ placeholder: "Search", "aria-label": "Search" });
    $field.on("input", () => search($table, $field.val()));
    $table.data("search", $field);
    if (toolbar) $(toolbar).append($field);
    else $table.before($field);
  }

  // Options name functions of the page.
  function called(name, ...given) {
    const found = typeof name === "function" ? name : window[name];
    return found ? found(...given) : {};
  }

  function fill($table, options) {
    const columns = options.columns;
    const $head = $("<tr>");
    for (const column of columns) {
      $head.append($("<th>").html(column.title).toggleClass("sortable", YES.test(column.sortable)));
    }
    const $body = $("<tbody>");
    options.data.forEach((row, index) => {
      const $row = $("<tr>").attr(called(options.rowAttributes, row, index));
      $row.css(called(options.rowStyle, row, index).css || {});
      for (const column of columns) {
        const $cell = $("<td>").html(row[column.field]).css("text-align", column.align || "");
        if (column.sortName) $cell.attr("data-sort", row[column.sortName]);
        $row.append($cell);
      }
      // A link within the row goes its own way.
      $row.on("click", (event) => {
        if (!$(event.target).closest("a").length) $table.trigger("click-row.bs.table", [row, $row]);
      });
      $body.append($row);
    });
    $table.append($("<thead>").append($head), $body);
    const place = columns.findIndex((column) => column.field === options.sortName);
    if (place >= 0) sort($table, place, options.sortOrder !== "desc");
  }

  $.fn.bootstrapTable = function (options) {
    return this.each((_, table) => {
      const $table = $(table);
      if (typeof options === "string") {
        // Every method that the pages call takes filters away.
        if ($table.data("search")) $table.data("search").val("").trigger("input");
        return;
      }
      fill($table, options);
      canSort($table);
      if (YES.test(options.search)) canSearch($table, options.toolbar);
    });
  };

  $(() => {
    const $tables = $('table[data-toggle="table"]').addClass("table table-hover");
    $tables.filter("[data-search]").each((_, table) => {
      const $table = $(table);
      $table.find("th[data-sortable]").addClass("sortable");
      canSort($table);
      canSearch($table);
    });
  });
})(jQuery);
