-- 20,000 rows from a linear congruence, then the usual questions. No clock, no random().
create table item(id integer primary key, part integer, price integer, label text);
with recursive n(i, r) as (
    select 1, 12345
    union all
    select i + 1, (r * 1103515245 + 12345) % 2147483648 from n where i < 20000)
insert into item select i, r / 65536 % 97, r / 8 % 10000, printf('item-%05d', i) from n;
create index item_part on item(part, price);
create table part(id integer primary key, name text);
insert into part select distinct part, 'part-' || part from item;
select count(*), min(id), max(id), sum(price) from item;
select part, count(*), sum(price), max(label) from item where part < 5 group by part order by part;
select p.name, count(*) from item i join part p on p.id = i.part
    where i.price > 9900 group by p.id order by 2 desc, 1 limit 5;
select label, price from item order by price desc, id limit 3;
update item set price = price + 1 where part = 13;
delete from item where id % 10 = 0;
select count(*), sum(price), sum(length(label)) from item;
select count(*) from item where label like '%99%';
select group_concat(part, ' ') from (select part from item group by part having count(*) > 200 order by part);
