//! The people of the demonstration, all made up: two for visitors, twenty-eight who talk, and a crowd for the large group.

/// The parts of the organisation. Departments do not exist yet, so groups carry them in their names.
pub(super) const DEPARTMENTS: [&str; 3] = ["Engineering", "Support", "Operations"];

/// Somebody with a name of his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    /// Login name.
    pub(super) name: &'static str,
    /// Name to show.
    pub(super) display: &'static str,
    /// Place in [`DEPARTMENTS`].
    pub(super) department: usize,
}

const fn of(department: usize, name: &'static str, display: &'static str) -> Person {
    Person { name, display, department }
}

/// The visitor as administrator.
pub(super) const ADMIN: Person = of(0, "ada", "Ada Lindqvist");
/// The visitor as a member without rights.
pub(super) const MEMBER: Person = of(1, "ben", "Ben Okafor");

/// Those who talk.
pub(super) const SPEAKERS: [Person; 28] = [
    of(0, "chiara", "Chiara Bellini"),
    of(1, "dmitri", "Dmitri Volkov"),
    of(2, "elif", "Elif Demir"),
    of(0, "farid", "Farid Haddad"),
    of(1, "greta", "Greta Nilsson"),
    of(2, "hiro", "Hiro Tanaka"),
    of(0, "ines", "Inês Carvalho"),
    of(1, "jonas", "Jonas Weber"),
    of(2, "kamala", "Kamala Iyer"),
    of(0, "liam", "Liam Byrne"),
    of(1, "mei", "Mei Chen"),
    of(2, "nadia", "Nadia Petrova"),
    of(0, "oscar", "Óscar Ruiz"),
    of(1, "priya", "Priya Nair"),
    of(2, "quentin", "Quentin Moreau"),
    of(0, "rosa", "Rosa Jiménez"),
    of(1, "samir", "Samir Khan"),
    of(2, "tove", "Tove Hansen"),
    of(0, "uma", "Uma Krishnan"),
    of(1, "viktor", "Viktor Novák"),
    of(2, "wanda", "Wanda Kowalska"),
    of(0, "ximena", "Ximena Vargas"),
    of(1, "yusuf", "Yusuf Adeyemi"),
    of(2, "zoe", "Zoë Laurent"),
    of(0, "anton", "Anton Brandt"),
    of(1, "bao", "Bảo Trần"),
    of(2, "carmen", "Carmen Ortega"),
    of(0, "david", "David Mbeki"),
];

const GIVEN: [&str; 40] = [
    "Aisha", "Alex", "Amara", "Andrei", "Anna", "Arjun", "Bruno", "Camila", "Daniel", "Diego",
    "Elena", "Emil", "Fatima", "Felix", "Hana", "Ida", "Ivan", "Jamal", "Jan", "Julia", "Karim",
    "Lara", "Leo", "Lin", "Lucas", "Maria", "Marta", "Mateo", "Maya", "Nils", "Nora", "Olga",
    "Omar", "Paula", "Rahul", "Sara", "Sven", "Tara", "Tomas", "Yuki",
];
const FAMILY: [&str; 50] = [
    "Abe", "Ahmed", "Alvarez", "Bauer", "Berg", "Bianchi", "Castro", "Cohen", "Costa", "Dahl",
    "Diaz", "Dubois", "Eriksen", "Fischer", "Fonseca", "Gupta", "Hoang", "Horvat", "Huber", "Ito",
    "Jansen", "Kaya", "Keller", "Kim", "Kone", "Kovacs", "Larsen", "Lee", "Lopez", "Marino",
    "Mensah", "Meyer", "Mori", "Ndiaye", "Nowak", "Olsen", "Osei", "Patel", "Popov", "Ramos",
    "Rossi", "Sato", "Schmid", "Silva", "Singh", "Suzuki", "Tan", "Vega", "Wong", "Zhou",
];

/// One of the crowd: login name and name to show. Different for different `number`.
pub(super) fn extra(number: usize) -> (String, String) {
    let given = GIVEN.get(number % GIVEN.len()).copied().unwrap_or_default();
    let family = FAMILY.get(number / GIVEN.len() % FAMILY.len()).copied().unwrap_or_default();
    let round = number / (GIVEN.len() * FAMILY.len());
    let ending = if round == 0 { String::new() } else { format!("{}", round + 1) };
    let name = format!("{}.{}{ending}", given.to_lowercase(), family.to_lowercase());
    (name, format!("{given} {family}"))
}

#[test]
fn nobody_has_the_name_of_another() {
    let mut names: std::collections::BTreeSet<String> =
        (0..10_000).map(|number| extra(number).0).collect();
    assert_eq!(names.len(), 10_000);
    for person in SPEAKERS.iter().chain([&ADMIN, &MEMBER]) {
        assert!(tenon_core::identity::is_user_name(person.name));
        assert!(person.department < DEPARTMENTS.len());
        assert!(names.insert(person.name.to_owned()), "{}", person.name);
    }
    assert_eq!(names.len(), 10_030);
}
