//! A list that is nearly always short.

/// A list whose first four items need no allocation.
#[derive(Clone, Debug)]
pub struct Few<T> {
    first: [Option<T>; 4],
    more: Vec<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self {
            first: [const { None }; 4],
            more: Vec::new(),
        }
    }
}

impl<T> Few<T> {
    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match self.first.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(item),
            None => self.more.push(item),
        }
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().flatten().chain(&self.more)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.iter().all(Option::is_none)
    }

    /// The only item, if there is just one.
    pub fn only(&self) -> Option<&T> {
        match &self.first {
            [Some(item), None, ..] => Some(item),
            _ => None,
        }
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.push(item);
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut few = Self::default();
        few.extend(items);
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_in_order_however_many_there_are() {
        for count in 0..10 {
            let few: Few<usize> = (0..count).collect();
            assert_eq!(
                few.iter().copied().collect::<Vec<_>>(),
                (0..count).collect::<Vec<_>>()
            );
            assert_eq!(few.is_empty(), count == 0);
            assert_eq!(few.only(), (count == 1).then_some(&0));
        }
    }
}
